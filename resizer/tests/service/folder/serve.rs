//! `resizer serve FOLDER`, as a program: the page, sizes, variants, and what follows a change of the folder.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use image::{ImageFormat, Rgb, RgbImage};

use super::{Place, kept};
use crate::{
    proc,
    process::{Running, resizer},
};

/// The program, serving.
struct Serving {
    child: Running,
    address: String,
    /// What it printed.
    said: String,
}

/// An answer: its head and its body.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        &self.head[9..12]
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn format(&self) -> ImageFormat {
        image::guess_format(&self.body).unwrap()
    }
}

impl Serving {
    fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = resizer(variables);
        command.arg("serve").arg(folder).args(["--listen", "127.0.0.1:0"]).args(arguments).stderr(Stdio::null());
        let mut child = Running::start(&mut command);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let (mut first, mut second) = (String::new(), String::new());
        lines.read_line(&mut first).unwrap();
        lines.read_line(&mut second).unwrap();
        let address = first.split_once("http://").unwrap().1.trim_end().trim_end_matches('/').to_owned();
        Self { child, address, said: first + &second }
    }

    fn ask(&self, path: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.address).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        Answer { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes[end + 4..].to_vec() }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(path, "")
    }
}

/// A picture of one colour.
fn draw(path: &Path, colour: [u8; 3]) {
    RgbImage::from_pixel(400, 300, Rgb(colour)).save(path).unwrap();
}

fn first_pixel(answer: &Answer) -> [u8; 3] {
    image::load_from_memory(&answer.body).unwrap().to_rgb8().get_pixel(5, 5).0
}

fn is_near(found: [u8; 3], wanted: [u8; 3]) -> bool {
    found.iter().zip(wanted).all(|(found, wanted)| found.abs_diff(wanted) < 12)
}

const RED: [u8; 3] = [200, 30, 30];
const BLUE: [u8; 3] = [30, 30, 200];

#[test]
fn it_shows_the_page_the_sizes_and_the_variants() {
    let place = Place::new();
    fs::create_dir(place.pictures().join("a")).unwrap();
    draw(&place.pictures().join("a/red & <b>.jpg"), RED);
    draw(&place.pictures().join("blue.png"), BLUE);
    place.write("notes.txt", b"not a picture");
    let serving = Serving::start(&place.pictures(), &["--sizes", "60x60,0x90", "--variants", "WebP"], &[]);
    assert!(serving.said.contains("/60x60/") || serving.said.contains("/0x90/"), "{}", serving.said);
    let page = serving.get("/");
    assert_eq!((page.status(), page.header("content-type")), ("200", Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; img-src 'self'; script-src 'nonce-"), "{policy}");
    let html = page.text();
    for has in ["src=\"/60x60/a/red%20%26%20%3Cb%3E.jpg\"", "/0x90/blue.png.webp\"", "red &amp; &lt;b&gt;.jpg", "href=\"/blue.png\""] {
        assert!(html.contains(has), "{has}: {html}");
    }
    assert!(!html.contains("notes.txt") && !html.contains("<b>") && !html.contains("http://"), "{html}");

    for (path, format, width) in [
        ("/60x60/blue.png", ImageFormat::Png, 60),
        ("/0x90/a/red%20%26%20%3Cb%3E.jpg", ImageFormat::Jpeg, 120),
        ("/60x60/blue.png.webp", ImageFormat::WebP, 60),
    ] {
        for attempt in ["made", "kept"] {
            let answer = serving.get(path);
            assert_eq!((answer.status(), answer.header("cache-control")), ("200", Some("no-cache")), "{path} {attempt}");
            assert_eq!(answer.format(), format, "{path} {attempt}");
            assert_eq!(image::load_from_memory(&answer.body).unwrap().width(), width, "{path} {attempt}");
        }
    }
    let accepted = serving.ask("/60x60/a/red%20%26%20%3Cb%3E.jpg", "Accept: image/avif,image/webp,*/*\r\n");
    assert!(accepted.format() == ImageFormat::WebP && accepted.header("vary").unwrap().eq_ignore_ascii_case("accept"));
    assert_eq!(serving.get("/blue.png").body, fs::read(place.pictures().join("blue.png")).unwrap());
    for (path, status) in [
        ("/60x60/nothing.jpg", "404"),
        ("/61x61/blue.png", "404"),
        ("/60x60/../../etc/passwd", "400"),
        ("/60x60/..%2f..%2fetc%2fpasswd", "400"),
        ("/%2e%2e/%2e%2e/etc/passwd", "400"),
        ("/.resized/lock", "404"),
        ("/60x60/.resized/lock", "404"),
        ("/60x60/blue.png.avif", "404"),
    ] {
        assert_eq!(serving.get(path).status(), status, "{path}");
    }
}

#[test]
fn it_follows_the_folder_and_keeps_what_it_made() {
    let place = Place::new();
    let path = place.pictures().join("a.png");
    draw(&path, RED);
    let serving = Serving::start(&place.pictures(), &["--sizes", "60x60"], &[]);
    let first = serving.get("/60x60/a.png");
    assert!(is_near(first_pixel(&first), RED));
    let etag = first.header("etag").unwrap().to_owned();
    let again = serving.ask("/60x60/a.png", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((again.status(), again.body.len()), ("304", 0));
    while kept(&place).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let cached = kept(&place);
    drop(serving);

    // another process finds it, and does not write it anew
    let written = || fs::metadata(&cached[0]).unwrap().modified().unwrap();
    let before = written();
    let serving = Serving::start(&place.pictures(), &["--sizes", "60x60"], &[]);
    let found = serving.get("/60x60/a.png");
    assert_eq!((found.header("etag"), &found.body), (Some(etag.as_str()), &first.body));
    assert_eq!(written(), before);

    draw(&path, BLUE);
    let changed = serving.ask("/60x60/a.png", &format!("If-None-Match: {etag}\r\n"));
    assert!(changed.status() == "200" && is_near(first_pixel(&changed), BLUE));
    fs::remove_file(&path).unwrap();
    for path in ["/60x60/a.png", "/a.png"] {
        assert_eq!(serving.get(path).status(), "404", "{path}");
    }
    draw(&path, RED);
    // who asks while the last picture is still being stored joins that flight
    let is_red = |_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        is_near(first_pixel(&serving.get("/60x60/a.png")), RED)
    };
    assert!((0..200).any(is_red), "nothing is remembered of its absence");
}

#[test]
fn it_logs_text_and_says_what_is_wrong() {
    let place = Place::new();
    let nowhere = place.0.join("nowhere");
    for (arguments, says) in [
        (&[nowhere.to_str().unwrap()][..], "want a folder with pictures"),
        (&[place.pictures().to_str().unwrap(), "--cache", place.0.to_str().unwrap()], "want a folder beside that of the originals"),
        (&[place.pictures().to_str().unwrap(), "--sizes", "300"], "WIDTHxHEIGHT"),
        (&[place.pictures().to_str().unwrap(), "--variants", "Gif"], "Avif, WebP, Jpeg, Png"),
        (&[], "FOLDER"),
    ] {
        let output = resizer(&[]).arg("serve").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(64) && text.contains(says) && output.stdout.is_empty(), "{arguments:?}: {text}");
    }
    let mut child = Running::start(resizer(&[]).arg("serve").arg(place.pictures()).args(["--listen", "127.0.0.1:0"]));
    let (mut log, mut line) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    log.read_line(&mut line).unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(line.contains("INFO") && line.contains("serving a folder") && !line.contains(['{', '\u{1b}']), "{line:?}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn memory_goes_back_when_nobody_asks_any_more() {
    let place = Place::new();
    RgbImage::from_fn(2000, 1500, |x, y| Rgb([x, y, x + y].map(|slope| slope.to_le_bytes()[0])))
        .save(place.pictures().join("a.webp"))
        .unwrap();
    draw(&place.pictures().join("small.webp"), RED);
    let serving = Serving::start(&place.pictures(), &["--sizes", "1500x1500"], &[]);
    let held = || proc::status(serving.child.id(), "RssAnon");
    assert_eq!(serving.get("/1500x1500/small.webp").status(), "200");
    let before = held();
    assert_eq!(serving.get("/1500x1500/a.webp").status(), "200");
    let busy = held();
    assert!(busy > before + 8000, "{before} kB, and then {busy}");
    let until = Instant::now() + Duration::from_mins(1);
    while held() > u64::midpoint(before, busy) {
        assert!(Instant::now() < until, "{before} kB, then {busy}, and at rest {}", held());
        thread::sleep(Duration::from_millis(200));
    }
}
