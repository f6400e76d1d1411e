# `make try` needs cargo and a C compiler, on any Linux. All else here needs Debian 12 as root, with Rust and Go >= 1.26.4; what else
# is missing comes from apt.
# What is built or kept lives outside the checkout, in $(CACHE):
#   target/         cargo's
#   cluster-HASH/   the cluster's programs, by the content of their sources
#   state/cluster/  the running cluster; state/cluster/pki/admin.kubeconfig is its kubeconfig
#   state/s3/       the running S3, http://198.18.255.1:7480
CACHE ?= $(HOME)/.cache/resize-operator
CARGO_TARGET_DIR ?= $(CACHE)/target
export CACHE CARGO_TARGET_DIR

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

try: ## the resizer on a local folder of pictures: no cluster, no root; PICTURES=FOLDER for your own
	@tests/try/up

demo: ## the main job, for real: a cluster, an S3, the operator, an endpoint, a visit
	@tests/demo/up

demo-down: ## removes every trace of the demo, not what was built
	@tests/demo/down

test: ## everything: lints, tests, chart, and the tests on a real cluster with a real S3
	@.ci/run

images: ## dist/*.tar: both static binaries as OCI images, without Docker
	@tests/images/build

arm64: ## images of both architectures, and those of arm64 tried under QEMU
	@tests/images/arm64

reproducible: ## the images built here, and in another folder from nothing, compared
	@tests/images/twice

dist: ## dist/release: what a release consists of
	@tests/cluster/build > /dev/null
	@tests/images/dist

crds: ## crds/resizeendpoints.yaml and docs/api.md from the types
	@mkdir -p dist
	cargo run -q -p resize-api --bin crdgen > dist/crds.yaml && mv dist/crds.yaml crds/resizeendpoints.yaml
	cargo run -q -p resize-api --bin crdgen -- --markdown > dist/api.md && mv dist/api.md docs/api.md

up: images ## the cluster, the S3 and the operator, without the demo (for: cargo test -p resize-tests NAME)
	@tests/cluster/build > /dev/null
	@tests/s3/up
	@tests/cluster/up
	@tests/demo/install

# built as what ships
PEERS = CC_x86_64_unknown_linux_musl=musl-gcc CXX_x86_64_unknown_linux_musl=g++ SHARP=$(CACHE)/sharp \
  cargo run --release --locked --target x86_64-unknown-linux-musl --manifest-path resizer/benches/peers/Cargo.toml
bench: ## the pipeline beside sharp, from npm; BENCH_IMAGES=FOLDER adds real pictures to the drawn ones
	npm install --silent --prefix $(CACHE)/sharp sharp@0.35.5
	$(PEERS)

bytes: ## encoders of FORMAT (Jpeg, WebP, Avif) beside sharp's, at equal SSIMULACRA2, on the pictures of BENCH_IMAGES=FOLDER
	npm install --silent --prefix $(CACHE)/sharp sharp@0.35.5
	$(PEERS) -- --bytes $(or $(FORMAT),Jpeg) $(BENCH_IMAGES)

stages: ## each stage of the pipeline by itself, with Criterion
	$(PEERS) --bin stages -- --bench

fuzz: ## every fuzzer for FUZZ_SECONDS (60), with the sanitizer in the C libraries too; wants a nightly compiler and clang
	@resizer/fuzz/run

scale: ## what many ResizeEndpoints cost, on an API server of its own: SCALE=1000 of them, REST=300 seconds at rest
	@tests/cluster/build > /dev/null
	RESIZE_CLUSTER=required RESIZE_SCALE=$(or $(SCALE),1000) RESIZE_REST=$(or $(REST),300) \
	  cargo test --release --locked -p resize-operator --test control_plane scale -- --nocapture

load: ## the resizer on the S3 at 1, 4 and 16 times of what it can do, in 256 MiB; where it answers visitors itself; what each format takes beside sharp
	npm install --silent --prefix $(CACHE)/sharp sharp@0.35.5
	@tests/images/build > /dev/null
	@tests/s3/up
	RESIZER=$(CARGO_TARGET_DIR)/x86_64-unknown-linux-musl/release/resizer cargo test -q --locked --workspace --test load
	RESIZER=$(CARGO_TARGET_DIR)/x86_64-unknown-linux-musl/release/resizer cargo test -q --locked --workspace --test load -- --direct
	SHARP=$(CACHE)/sharp RESIZER=$(CARGO_TARGET_DIR)/x86_64-unknown-linux-musl/release/resizer \
	  cargo test -q --locked --workspace --test load -- --formats

sweep-bench: ## what a sweep of 10 million originals of five sizes takes, without a store: SWEEP_BENCH=10000000
	cargo bench --locked -p resizer --bench sweep

.PHONY: help try demo demo-down test images arm64 reproducible dist crds up bench bytes stages fuzz scale load sweep-bench
