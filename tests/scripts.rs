//! What the scripts share, `lib.sh`: how it tells processes of ours from others; and the profile that images are built with.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    env,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    path::PathBuf,
    process::{Command, Output, id},
};

#[path = "support/port.rs"]
mod port;

/// Runs `script` with what `lib.sh` has; this test's process is there as `ours`.
fn bash(script: &str) -> Output {
    let folder: PathBuf = [env::temp_dir(), format!("scripts-{}-{:?}", id(), std::thread::current().id()).into()].iter().collect();
    std::fs::create_dir_all(&folder).unwrap();
    let ours = format!(". ./lib.sh; RUN=$CACHE LOG=$CACHE; echo \"{0} $(started {0})\" > \"$RUN/ours.pid\"; {script}", id());
    let output = Command::new("bash").args(["-euc", &ours]).env("CACHE", &folder).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    output
}

fn said(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn who_else_listens_on_a_port_is_told() {
    let addresses: [IpAddr; 3] = [Ipv4Addr::LOCALHOST.into(), Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into()];
    for address in addresses.into_iter().filter(|address| TcpListener::bind((*address, 0)).is_ok()) {
        let port = port::reserve(address);
        let listener = TcpListener::bind((address, port)).unwrap();
        let stranger = bash(&format!("stranger nginx {port}"));
        assert!(stranger.status.success() && said(&stranger.stdout).ends_with(&format!(" (PID {})\n", id())), "{stranger:?}");
        assert!(!bash(&format!("stranger ours {port}")).status.success());
        drop(listener);
        assert!(!bash(&format!("stranger nginx {port}")).status.success());
    }
}

#[test]
fn an_address_that_nobody_of_ours_has_does_not_count() {
    let elsewhere = TcpListener::bind("127.0.0.53:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    assert!(!bash(&format!("stranger nginx {port}")).status.success());
    let local = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = local.local_addr().unwrap().port();
    assert!(!bash(&format!("stranger coredns \"$NODE_IP:{port}\"")).status.success());
}

#[test]
fn the_answer_of_another_is_not_taken_for_ours() {
    let port = port::reserve(Ipv4Addr::LOCALHOST);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let answers = |name: &str| bash(&format!("answers 0 {name} {port} http://127.0.0.1:{port}/"));
    let other = answers("nginx");
    assert!(!other.status.success());
    assert!(said(&other.stderr).contains(&format!("port {port}, for nginx, is taken by ")), "{other:?}");
    drop(listener);
    let silent = answers("ours");
    assert!(said(&silent.stderr).contains(&format!("ours does not listen on port {port}")), "{silent:?}");
}

/// With LTO the level of the program that is linked decides whether loops become vectors, in all crates.
#[test]
fn the_resizer_is_linked_at_the_level_of_its_codecs() {
    let profiles = include_str!("../Cargo.toml").split("[profile.release.package]").nth(1).unwrap();
    let release = profiles.split("[profile.").next().unwrap();
    let level = |name: &str| release.lines().any(|line| line.starts_with(name) && line.contains("opt-level = 3"));
    assert!(level("png.") && level("picture.") && level("resizer "), "{release}");
}
