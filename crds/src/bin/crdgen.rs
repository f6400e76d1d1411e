//! Writes the `CustomResourceDefinition`, generated from the types, to standard output.

use kube::CustomResourceExt;

fn main() -> Result<(), serde_yaml_ng::Error> {
    println!("# Generated from crds/src/endpoint.rs by `make crds`.");
    print!("{}", serde_yaml_ng::to_string(&resize_api::ResizeEndpoint::crd())?);
    Ok(())
}
