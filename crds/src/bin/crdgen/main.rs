//! Writes to standard output what is generated from the types: the `CustomResourceDefinition`, or with `--markdown` the page of its fields.

mod markdown;

use kube::CustomResourceExt;

fn main() -> Result<(), serde_yaml_ng::Error> {
    if std::env::args().nth(1).is_some_and(|argument| argument == "--markdown") {
        print!("{}", markdown::page());
        return Ok(());
    }
    println!("# Generated from crds/src/endpoint.rs by `make crds`.");
    print!("{}", serde_yaml_ng::to_string(&resize_api::ResizeEndpoint::crd())?);
    Ok(())
}
