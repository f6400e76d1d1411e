//! The program itself: what it says about bad settings, and how it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    ops::{Deref, DerefMut},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The resizer: that of RESIZER, such as one of another architecture under an emulator, or the one that cargo builds beside its tests.
pub fn resizer(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::var_os("RESIZER").unwrap_or_else(|| env!("CARGO_BIN_EXE_resizer").into()));
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that ends with its test, also where that fails.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub const GOOD: [(&str, &str); 6] = [
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
        ("AWS_ACCESS_KEY_ID", "key\n", "ends with a newline"),
        ("AWS_SECRET_ACCESS_KEY", "secret\n", "ends with a newline"),
        ("AWS_SECRET_ACCESS_KEY", " secret", "begins or ends with a blank"),
        ("AWS_SESSION_TOKEN", "to\nken", "has a blank"),
        ("OUTPUT_ACL", "private", "PublicRead"),
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
        assert!(output.stdout.is_empty() && !errors.contains("secret"));
    }
}

#[test]
fn text_for_files_has_no_colours() {
    let mut child = Running::start(resizer(&GOOD).envs([("DRAIN_SECONDS", "0"), ("LOG_FORMAT", "text"), ("LOG_LEVEL", "debug")]));
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    output.read_line(&mut text).unwrap();
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    output.read_to_string(&mut text).unwrap();
    assert!(text.contains("ready") && text.contains("INFO") && !text.contains('\u{1b}'), "{text:?}");
    child.wait().unwrap();
}

/// The line that says where it listens. Lines before it tell of the bucket.
pub fn ready(lines: &mut impl Iterator<Item = String>) -> serde_json::Value {
    lines.map(|line| serde_json::from_str(&line).unwrap()).find(|line: &serde_json::Value| line["message"] == "ready").unwrap()
}

/// One answer, whole.
pub fn ask(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_pod_without_credentials_says_so_and_stays_in_service_and_lines_name_the_trace() {
    let mut child = Running::start(resizer(&GOOD).env("DRAIN_SECONDS", "0"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready = ready(&mut lines);
    let (public, admin) = (ready["listen"].as_str().unwrap(), ready["admin_listen"].as_str().unwrap());
    while !ask(admin, "/selfcheck", "").contains("\"originals\":\"CredentialsInvalid\"") {
        std::thread::sleep(Duration::from_millis(50));
    }
    let check = ask(admin, "/selfcheck", "");
    assert!(check.contains("\"message\":\"there are none\""), "{check}");
    assert!(ask(admin, "/readyz", "").starts_with("HTTP/1.1 200"));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    ask(public, "/", &format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n"));
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let request = lines.find(|line| line.contains("\"outcome\"")).unwrap();
    assert!(request.contains(&format!("\"trace_id\":\"{trace}\"")), "{request}");
}

#[test]
fn one_file_needs_no_setting_and_other_words_are_refused() {
    let output = resizer(&[]).args(["once", "/no/such/file.jpg", "30x30", "out.jpg"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("resizer: /no/such/file.jpg: "));
    let output = resizer(&GOOD).arg("resize").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("unrecognized subcommand 'resize'"));
}

#[test]
fn help_names_every_setting() {
    let output = resizer(&[]).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = help.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').collect();
    let settings = resize_api::Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
    for name in settings.names().chain(["LOG_FORMAT", "LOG_LEVEL", "RUST_LOG"]) {
        assert!(words.contains(&name), "{name} is not in the help");
    }
    for command in ["serve", "once", "sweep", "follow"] {
        let output = resizer(&[]).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains("Usage: resizer") && help.contains("--help"), "{command}: {help}");
    }
}

#[test]
fn a_sweep_that_cannot_be_done_says_so_in_its_report_too() {
    let help = resizer(&[]).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success() && ["once", "sweep", "BUCKET and URL"].iter().all(|word| text.contains(word)), "{text}");
    let version = resizer(&[]).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(version.stdout).unwrap(), concat!("resizer ", env!("CARGO_PKG_VERSION"), "\n"));
    let file = std::env::temp_dir().join(format!("resizer-sweep-{}", std::process::id()));
    let nobody = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("SWEEP_REPORT", file.to_str().unwrap()), ("SWEEP_RATE", "5")];
    for (variables, arguments, status, says) in [
        (&GOOD[..0], &[][..], 64, "BUCKET: not set"),
        (&GOOD, &["--warm", "301x301"], 64, "WARM_RESOLUTIONS: `301x301`"),
        (&GOOD, &["--rate", "none"], 64, ""),
        (&GOOD, &["--dry-run=perhaps"], 64, ""),
    ] {
        std::fs::write(&file, "{}").unwrap();
        let mut command = resizer(variables);
        let output = command.env("ALLOWED_RESOLUTIONS", "300x300").envs(nobody).arg("sweep").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let report: resize_api::sweep::SweepReport = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(report.message.starts_with(says) && report.outcome == resize_api::sweep::SweepOutcome::Failed, "{report:?}");
    }
    std::fs::remove_file(file).unwrap();
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
fn it_is_ready_when_a_connection_to_the_store_is_there() {
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", store.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut stream = store.accept().unwrap().0;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
        (line, Instant::now(), stream)
    });
    let credentials = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL_S3", &url)];
    let mut child = Running::start(resizer(&GOOD).envs(credentials).env("S3_FORCE_PATH_STYLE", "true"));
    ready(&mut BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap));
    let is_ready = Instant::now();
    let (line, answered, _stream) = asked.join().unwrap();
    assert!(line.starts_with("GET /photos/") && answered < is_ready, "{line}");
}

#[test]
fn a_store_that_does_not_answer_keeps_no_pod_from_being_ready() {
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", store.local_addr().unwrap());
    let credentials = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_ENDPOINT_URL_S3", &url)];
    let mut child = Running::start(resizer(&GOOD).envs(credentials));
    let ready = ready(&mut BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap));
    assert!(ask(ready["admin_listen"].as_str().unwrap(), "/readyz", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn starts_and_stops() {
    let mut child = Running::start(resizer(&GOOD).env("DRAIN_SECONDS", "0"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready = ready(&mut lines);
    assert_eq!((&ready["message"], &ready["bucket"]), (&"ready".into(), &"photos".into()), "{ready}");
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // the look at the bucket may end after it
    assert!(lines.any(|line| line.contains("\"stopped\"")));
}
