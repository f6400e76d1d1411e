//! Nothing but its benchmark: `cargo bench --manifest-path resizer/benches/decoders/Cargo.toml`.
