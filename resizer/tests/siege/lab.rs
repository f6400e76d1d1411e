//! A bucket of the real S3, and the resizer's program on it; both go when the test ends.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    panic::{AssertUnwindSafe, resume_unwind},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_sdk_s3::{Client as S3, primitives::ByteStream};
use futures::FutureExt;
use serde_json::Value;

#[path = "../../../tests/support/proc.rs"]
pub mod proc;
#[path = "../../../tests/support/s3.rs"]
#[allow(dead_code, reason = "shared with tests that have a cluster")]
pub mod s3;

/// One test's bucket.
pub struct Lab {
    pub s3: S3,
    pub http: reqwest::Client,
    pub bucket: String,
}

/// Runs `body` with a fresh bucket and cleans up, also when it panics. Without an S3 it says so and does nothing.
pub async fn run(body: impl AsyncFnOnce(&Lab)) {
    let Some(lab) = Lab::new().await else { return };
    let result = AssertUnwindSafe(body(&lab)).catch_unwind().await;
    lab.delete_bucket().await;
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

impl Lab {
    pub async fn new() -> Option<Self> {
        let s3 = s3::running().await?;
        Some(Self::on(s3).await)
    }

    /// A fresh bucket of another store.
    pub async fn on(s3: S3) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_mins(2)).build().unwrap();
        let lab = Self { s3, http, bucket: format!("service-{:08x}", rand::random::<u32>()) };
        lab.s3.create_bucket().bucket(&lab.bucket).send().await.unwrap();
        lab
    }

    pub async fn delete_bucket(&self) {
        while let Ok(page) = self.s3.list_objects_v2().bucket(&self.bucket).send().await {
            for object in page.contents() {
                drop(self.s3.delete_object().bucket(&self.bucket).key(object.key().unwrap()).send().await);
            }
            if page.contents().is_empty() {
                drop(self.s3.delete_bucket().bucket(&self.bucket).send().await);
                break;
            }
        }
    }

    pub async fn upload(&self, key: &str, content_type: &str, bytes: Vec<u8>) {
        self.s3.put_object().bucket(&self.bucket).key(key).content_type(content_type).body(ByteStream::from(bytes)).send().await.unwrap();
    }

    /// The object, whole, if there is one.
    pub async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.s3.get_object().bucket(&self.bucket).key(key).send().await.ok()?;
        Some(object.body.collect().await.expect("a whole object").to_vec())
    }

    /// Starts the resizer on the bucket; `variables` beside or instead of the usual ones.
    pub fn resizer(&self, variables: &[(&str, &str)]) -> Resizer {
        self.start(None, "", variables)
    }

    /// Starts what follows the events of the bucket.
    pub fn follower(&self, variables: &[(&str, &str)]) -> Resizer {
        self.start(None, "follow", variables)
    }

    /// The resizer in a control group.
    pub fn resizer_in(&self, cage: Option<&Cage>, variables: &[(&str, &str)]) -> Resizer {
        self.start(cage, "", variables)
    }

    fn start(&self, cage: Option<&Cage>, arguments: &str, variables: &[(&str, &str)]) -> Resizer {
        let mut command = Command::new("sh");
        // a shell, which joins the group before it becomes the resizer
        let join = cage.map_or_else(String::new, |cage| format!("echo $$ > {}/cgroup.procs && ", cage.0.display()));
        command.args(["-c", &format!("{join}exec \"$0\" {arguments}"), &program().display().to_string()]).env_clear();
        command.envs(environment(self));
        Resizer::start(command.envs(variables.iter().copied()), self.http.clone())
    }
}

/// The environment of the program on a bucket.
pub fn environment(lab: &Lab) -> [(&'static str, &str); 10] {
    [
        ("BUCKET", lab.bucket.as_str()),
        ("URL", "http://photos.example.com"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", s3::URL),
        ("AWS_ACCESS_KEY_ID", s3::KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", s3::KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("S3_FORCE_PATH_STYLE", "true"),
        ("LISTEN", "127.0.0.1:0"),
        ("ADMIN_LISTEN", "127.0.0.1:0"),
    ]
}

/// The program under test: what `RESIZER` names, else the one that was built with this test.
pub fn program() -> PathBuf {
    std::env::var_os("RESIZER").map_or_else(|| env!("CARGO_BIN_EXE_resizer").into(), PathBuf::from)
}

/// A running resizer; it is killed when this is dropped.
pub struct Resizer {
    child: Child,
    http: reqwest::Client,
    public: String,
    admin: String,
    lines: Arc<Mutex<Vec<Value>>>,
}

/// An answer, redirects not followed.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

/// Values by metric and labels.
pub type Metrics = BTreeMap<String, f64>;

impl Resizer {
    fn start(command: &mut Command, http: reqwest::Client) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = |line: std::io::Result<String>| -> Value { serde_json::from_str(&line.unwrap()).unwrap() };
        let ready = output.by_ref().map(line).find(|line| line.get("admin_listen").is_some()).expect("it says where it listens");
        let address = |name: &str| format!("http://{}", ready[name].as_str().unwrap_or_default());
        let (public, admin) = (address("listen"), address("admin_listen"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                into.lock().unwrap().extend(serde_json::from_str::<Value>(&line));
            }
        });
        Self { child, http, public, admin, lines }
    }

    /// Asks for a derivative.
    pub async fn get(&self, key: &str) -> reqwest::Result<Answer> {
        let response = self.http.get(self.url(key)).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// [`Resizer::get`] with a key of its own.
    pub async fn get_owned(&self, key: String) -> reqwest::Result<Answer> {
        self.get(&key).await
    }

    pub fn url(&self, key: &str) -> String {
        format!("{}/default/resize?key={key}", self.public)
    }

    /// Host and port where visitors find it.
    pub fn address(&self) -> &str {
        self.public.trim_start_matches("http://")
    }

    /// Where its second port is.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    pub async fn metrics(&self) -> Metrics {
        let text = self.http.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap();
        let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        values.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    /// Counters that moved since `before`, without durations and gauges.
    pub async fn moved(&self, before: &Metrics) -> Vec<String> {
        let now = self.metrics().await;
        let moved = now.iter().filter(|(name, _)| name.contains("_total")).filter_map(|(name, value)| {
            let by = value - before.get(name).unwrap_or(&0.0);
            (by > 0.0).then(|| format!("{}+{by}", name.trim_start_matches("resizer_").replace("_total", "")))
        });
        moved.collect()
    }

    /// Log lines so far.
    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Most memory taken since the last [`Resizer::forget_peak`], in bytes.
    pub fn peak(&self) -> u64 {
        proc::status(self.child.id(), "VmHWM") * 1024
    }

    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// CPU time so far.
    pub fn cpu(&self) -> Duration {
        proc::cpu(self.child.id())
    }

    /// Page faults so far.
    #[allow(dead_code, reason = "the measurement of load asks, the siege does not")]
    pub fn faults(&self) -> u64 {
        proc::faults(self.child.id())
    }

    /// Memory that it has now, in bytes.
    #[allow(dead_code, reason = "the measurement of load asks, the siege does not")]
    pub fn held(&self) -> u64 {
        proc::status(self.child.id(), "VmRSS") * 1024
    }

    pub fn threads(&self) -> usize {
        usize::try_from(proc::status(self.child.id(), "Threads")).unwrap()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Resizer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A control group with a memory limit, where this machine lets us make one.
pub struct Cage(PathBuf);

impl Cage {
    pub fn new(limit: u64) -> Option<Self> {
        let name = format!("resize-tests-{:08x}", rand::random::<u32>());
        for (mount, file) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let cage = Self(Path::new(mount).join(&name));
            if std::fs::create_dir(&cage.0).is_ok() && std::fs::write(cage.0.join(file), limit.to_string()).is_ok() {
                return Some(cage);
            }
        }
        eprintln!("no control group can be made here: the limit is checked by the peak alone");
        None
    }

    /// Most memory ever taken in it, page cache included, and how often something was killed for want of it.
    pub fn peak_and_kills(&self) -> (u64, u64) {
        let text = |file: &str| std::fs::read_to_string(self.0.join(file)).ok();
        let peak = text("memory.max_usage_in_bytes").or_else(|| text("memory.peak")).unwrap_or_default();
        let events = text("memory.oom_control").or_else(|| text("memory.events")).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        (peak.trim().parse().unwrap_or_default(), kills.and_then(|kills| kills.parse().ok()).unwrap_or_default())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // empty once what was killed in it has been collected
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until `is_so`, and says how long that took.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

/// A JPEG with something on it, different for each `seed`.
pub fn picture(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let level = |at: u32| at.to_le_bytes()[0];
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([level(x + seed), level(y ^ seed), level(x * y / 64)]));
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
    bytes
}
