//! The program itself: what it says about bad settings, and how it ends.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

fn resizer(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resizer"));
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const GOOD: [(&str, &str); 6] = [
    ("BUCKET", "photos"),
    ("URL", "http://photos.example.com"),
    ("AWS_REGION", "ap-northeast-2"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("LISTEN", "127.0.0.1:0"),
    ("ADMIN_LISTEN", "127.0.0.1:0"),
];

#[test]
fn a_bad_setting_is_named_and_ends_it() {
    for (name, value, says) in [
        ("BUCKET", "", "not set"),
        ("URL", "photos", "absolute URL"),
        ("ALLOWED_RESOLUTIONS", "300", "WIDTHxHEIGHT"),
        ("LISTEN", "8080", "socket address"),
        ("AWS_REGION", "", "not set"),
        ("AWS_ENDPOINT_URL", "s3.example.com", "https://"),
        ("LOG_FORMAT", "xml", "json or text"),
        ("LOG_LEVEL", "loud", "want error"),
        ("RUST_LOG", "resizer=loud", "loud"),
    ] {
        let output = resizer(&GOOD).env(name, value).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{name}: {errors}");
        assert!(errors.starts_with(&format!("resizer: {name}: ")) && errors.contains(says), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn one_file_needs_no_setting_and_other_words_are_refused() {
    let output = resizer(&[]).args(["once", "/no/such/file.jpg", "30x30", "out.jpg"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("resizer: /no/such/file.jpg: "));
    let output = resizer(&GOOD).arg("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`serve`: want no argument"));
}

#[test]
fn an_address_in_use_is_no_bad_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = resizer(&GOOD).env("LISTEN", &address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&address));
}

#[test]
fn starts_and_stops() {
    let mut child = resizer(&GOOD).env("DRAIN_SECONDS", "0").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready: serde_json::Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!((&ready["message"], &ready["bucket"]), (&"ready".into(), &"photos".into()), "{ready}");
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(lines.last().unwrap().contains("stopped"));
}
