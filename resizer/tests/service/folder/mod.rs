//! A local folder in place of a bucket: its originals, `reach` what can be asked for, `cache` what becomes of what is made, and
//! `serve` the command.

mod cache;
mod reach;
mod serve;

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use resize_api::Settings;
use resizer::store::{
    Object, Overwrite, Store, StoreError,
    folder::Folder,
    listing::{Depth, Inventory, Mark},
};

const DEADLINE: Duration = Duration::from_secs(5);
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";

/// A folder `pictures`, and what lies beside it; gone in the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = std::env::temp_dir().join(format!("resizer-folder-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(path.join("pictures")).unwrap();
        Self(fs::canonicalize(path).unwrap())
    }

    fn pictures(&self) -> PathBuf {
        self.0.join("pictures")
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.pictures().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn folder(&self) -> Folder {
        Folder::open(&self.pictures(), None, settings()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn settings() -> Settings {
    let mut settings = Settings::new("pictures".into(), "http://127.0.0.1:8080".parse().unwrap());
    settings.allowed_resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
    settings
}

fn object(bytes: &'static [u8]) -> Object {
    let metadata = vec![("resize-settings", "0123".to_owned()), ("resize-source-etag", "\"a\"".to_owned())];
    Object { bytes: bytes.into(), content_type: "image/webp".into(), cache_control: "no-cache".into(), metadata, redirect: None }
}

async fn read(folder: &Folder, key: &str) -> Result<Bytes, StoreError> {
    folder.get(key).await?.read(1 << 20, DEADLINE).await
}

async fn etag(folder: &Folder, key: &str) -> String {
    folder.head(key).await.unwrap().etag.unwrap()
}

async fn keys(folder: &Folder, prefix: &str) -> Vec<String> {
    let page = folder.page(prefix, &Mark::Start, Depth::Objects).await.unwrap();
    page.objects.into_iter().map(|object| object.key).collect()
}

/// Every file below `folder`.
fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The files of derivatives in the default cache.
fn kept(place: &Place) -> Vec<PathBuf> {
    let mut kept = files(&place.pictures().join(".resized"));
    kept.retain(|path| !["lock", ".gitignore"].iter().any(|name| path.ends_with(name)) && path.extension().is_none_or(|end| end != "part"));
    kept
}

#[tokio::test]
async fn originals_have_a_type_and_a_version_and_are_never_written() {
    let place = Place::new();
    place.write("a/cat.jpg", b"\xFF\xD8\xFF\xE0 cat");
    place.write("logo.svg", b"<?xml version='1.0'?><svg/>");
    place.write("page.html", b"<script>alert(1)</script>");
    let folder = place.folder();
    for (key, content_type) in [("a/cat.jpg", "image/jpeg"), ("logo.svg", "image/svg+xml"), ("page.html", "application/octet-stream")] {
        assert_eq!(folder.head(key).await.unwrap().content_type.as_deref(), Some(content_type), "{key}");
    }
    assert_eq!(read(&folder, "a/cat.jpg").await.unwrap(), &b"\xFF\xD8\xFF\xE0 cat"[..]);
    let first = etag(&folder, "a/cat.jpg").await;
    assert_eq!(first, etag(&folder, "a/cat.jpg").await);
    for overwrite in [Overwrite::Never, Overwrite::Always, Overwrite::Version(&first)] {
        for key in ["a/cat.jpg", "b.jpg", "../b.jpg", "30x30/b.jpg"] {
            assert_eq!(folder.put(key, &object(b"x"), overwrite).await, Err(StoreError::Forbidden), "{key}");
        }
    }
    assert_eq!(folder.delete("a/cat.jpg", None).await, Err(StoreError::Forbidden));
    assert_eq!(read(&folder, "a/cat.jpg").await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_replaced_file_is_another_version_also_with_the_same_length_and_time() {
    let place = Place::new();
    let path = place.write("a.gif", GIF);
    let folder = place.folder();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut seen = vec![etag(&folder, "a.gif").await];
    // in place, and by another file that gets its name
    tokio::time::sleep(Duration::from_millis(20)).await;
    fs::write(&path, GIF).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    seen.push(etag(&folder, "a.gif").await);
    let other = place.write("b.gif", GIF);
    File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
    fs::rename(other, &path).unwrap();
    seen.push(etag(&folder, "a.gif").await);
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "{seen:?}");
    fs::remove_file(path).unwrap();
    assert_eq!(folder.head("a.gif").await, Err(StoreError::Missing));
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_no_picture() {
    let place = Place::new();
    let path = place.write("a.gif", &vec![7; 200 << 10]);
    let folder = place.folder();
    let mut body = folder.get("a.gif").await.unwrap().body;
    assert!(body.try_next().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(20)).await;
    fs::write(&path, vec![8; 200 << 10]).unwrap();
    let rest: Result<Vec<_>, _> = body.try_collect().await;
    assert!(matches!(rest, Err(StoreError::Interrupted(_))), "{rest:?}");
    let body = folder.get("a.gif").await.unwrap();
    fs::write(&path, [8; 10]).unwrap();
    let short = body.read(1 << 20, DEADLINE).await;
    assert!(matches!(short, Err(StoreError::Short { .. } | StoreError::Interrupted(_))), "{short:?}");
}

#[tokio::test]
async fn the_listing_is_in_the_order_of_keys_and_goes_on_where_it_ended() {
    let place = Place::new();
    let names = ["a-b.gif", "a.gif", "a/1.gif", "a/b/2.gif", "a0.gif", "b.gif", "z/3.gif"];
    for name in names {
        place.write(name, GIF);
    }
    let folder = place.folder();
    let page = |prefix: &'static str, from: Mark, depth| {
        let folder = folder.clone();
        async move { folder.page(prefix, &from, depth).await.unwrap() }
    };
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(keys(&folder, "").await, sorted);
    for (index, name) in sorted.iter().enumerate() {
        let rest = page("", Mark::After((*name).to_owned()), Depth::Objects).await;
        assert_eq!(rest.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), sorted[index + 1..], "{name}");
    }
    assert_eq!(page("", Mark::behind("a/"), Depth::Objects).await.objects.len(), 3);
    for (prefix, expect) in
        [("a/", &["a/1.gif", "a/b/2.gif"][..]), ("a", &sorted[..5]), ("a/b/2.gif", &["a/b/2.gif"]), ("c", &[]), ("../", &[])]
    {
        assert_eq!(keys(&folder, prefix).await, expect, "{prefix}");
    }
    let top = page("", Mark::Start, Depth::Folders).await;
    assert_eq!((top.objects.len(), top.folders), (4, vec!["a/".to_owned(), "z/".to_owned()]));
    let many = Place::new();
    for number in 0..1500 {
        many.write(&format!("{:02}/{number:04}.gif", number % 7), GIF);
    }
    let (folder, mut mark, mut all, mut pages) = (many.folder(), Some(Mark::Start), Vec::new(), 0);
    while let Some(from) = mark {
        let page = folder.page("", &from, Depth::Objects).await.unwrap();
        all.extend(page.objects.into_iter().map(|object| object.key));
        (mark, pages) = (page.next, pages + 1);
    }
    assert!(all.len() == 1500 && all.is_sorted() && pages == 2, "{} in {pages}", all.len());
}
