# docker build -f tests/images/resizer.Dockerfile -t localhost/resizer:dev .
# The same image as `make images` makes without Docker.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates cmake musl-tools nasm
RUN rustup target add x86_64-unknown-linux-musl
WORKDIR /src
COPY . .
ENV CC_x86_64_unknown_linux_musl=musl-gcc CXX_x86_64_unknown_linux_musl=g++
ENV CFLAGS_x86_64_unknown_linux_musl="-fstack-protector-strong -fstack-clash-protection"
RUN cargo build --release --locked --target x86_64-unknown-linux-musl --target-dir /target -p resizer
WORKDIR /out
RUN install -D -t . /target/x86_64-unknown-linux-musl/release/resizer \
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
