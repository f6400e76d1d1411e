# docker buildx build --platform linux/amd64,linux/arm64 -f tests/images/resizer.Dockerfile -t localhost/resizer:dev .
# Each architecture is built on itself, or under an emulator. `make images` makes such an image without Docker.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates cmake g++ musl-tools nasm perl
RUN rustup target add $(uname -m)-unknown-linux-musl
WORKDIR /src
COPY . .
ENV CC_x86_64_unknown_linux_musl=musl-gcc \
    CC_aarch64_unknown_linux_musl=musl-gcc \
    CXX=g++ \
    CFLAGS="-fstack-protector-strong -fstack-clash-protection"
# there are arm64 kernels with pages of 64 KiB, and the allocator must know the largest: 2^16
RUN [ $(uname -m) = x86_64 ] || export JEMALLOC_SYS_WITH_LG_PAGE=16; \
    cargo build --release --locked --target $(uname -m)-unknown-linux-musl --target-dir /target -p resizer
WORKDIR /out
RUN install -D -t . /target/*-unknown-linux-musl/release/resizer \
 && install -d -m 1777 tmp && mkdir -p etc/ssl/certs \
 && cat /usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="resizer" \
      org.opencontainers.image.description="Makes a missing size of a picture in a bucket once, stores it beside the original, and redirects to it" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out /
COPY tests/images/root /
USER 65532:65532
ENTRYPOINT ["/resizer"]
