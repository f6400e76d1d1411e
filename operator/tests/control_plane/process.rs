//! The operator's own program, run against a control plane.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use crate::{control_plane::ControlPlane, port, proc, s3, store};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// The operator: that of OPERATOR, such as one of another architecture under an emulator, or the one that cargo builds beside its tests.
/// (Cargo's variable for it has a hyphen, which some shells drop on the way.)
pub fn program() -> PathBuf {
    let beside = || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("resize-operator");
    std::env::var_os("OPERATOR").map_or_else(beside, PathBuf::from)
}

/// A running operator. It ends with this value.
pub struct Operator {
    process: Child,
    admin: String,
    log: PathBuf,
}

impl Operator {
    /// Starts one that calls itself `name`, with `kubeconfig` and further arguments. Its own identity may go to the stores of the tests,
    /// which are on this machine.
    pub fn start(plane: &ControlPlane, name: &str, kubeconfig: &Path, arguments: &[&str]) -> Self {
        // ambient credentials, as from a role, by which a store can tell operators apart
        Self::start_as(plane, name, kubeconfig, arguments, &[("AWS_ACCESS_KEY_ID", name), ("AWS_SECRET_ACCESS_KEY", "key")])
    }

    /// The same with an `identity` that its environment tells.
    pub fn start_as(plane: &ControlPlane, name: &str, kubeconfig: &Path, arguments: &[&str], identity: &[(&str, &str)]) -> Self {
        let admin = format!("127.0.0.1:{}", port::reserve(Ipv4Addr::LOCALHOST));
        let log = plane.folder.join(format!("{name}.log"));
        let stores = [store::all(), vec![s3::URL.to_owned()]].concat().join(",");
        let process = Command::new(program())
            .args(["--resizer-image", "localhost/resizer:dev", "--admin-listen", &admin])
            .args(["--outbound-local-addresses", "true", "--claims-ambient-credentials", "Anyone", "--s3-allowed-endpoints", &stores])
            .args(["--claims-public-read", "true"])
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAME", name)
            .envs(identity.iter().copied())
            .stdout(File::create(&log).unwrap())
            .stderr(File::create(plane.folder.join(format!("{name}.err"))).unwrap())
            .spawn()
            .unwrap();
        Self { process, admin, log }
    }

    /// Id of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {signal}: {sent}");
    }

    /// Waits until the process ends; its exit status, if it was no signal that ended it.
    pub async fn end(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < until, "the operator does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Status and text of a path of its admin port, if it answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.admin).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Waits until `/readyz` answers so.
    pub async fn wait_until(&self, status: u16, says: &str) {
        eventually(&format!("/readyz is {status} {says}; the log is\n{}", self.log()), async || {
            self.get("/readyz").is_some_and(|(found, text)| found == status && text.contains(says))
        })
        .await;
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics")?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// A line of `/proc/PID/status`, in its own unit.
    pub fn status(&self, name: &str) -> u64 {
        proc::status(self.id(), name)
    }

    /// CPU time so far.
    pub fn cpu(&self) -> Duration {
        proc::cpu(self.id())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("what the operator says:\n{}", self.log());
        }
    }
}

/// Waits until `holds`.
pub async fn eventually(what: &str, holds: impl AsyncFnMut() -> bool) {
    patiently(PATIENCE, what, holds).await;
}

/// Waits until `holds`, and so long.
pub async fn patiently(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + patience;
    while !holds().await {
        assert!(Instant::now() < until, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
