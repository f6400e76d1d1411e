//! What was made: kept whole, found again, replaced only on its conditions, and never an original.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    time::Duration,
};

use resize_api::Settings;
use resizer::store::{
    Object, Overwrite, Store, StoreError,
    folder::{Folder, FolderError},
};

use super::{DEADLINE, Place, etag, kept, keys, object, read, settings};

#[tokio::test]
async fn what_is_made_is_kept_whole_and_a_new_process_finds_it() {
    let place = Place::new();
    let folder = place.folder();
    let long = format!("300x300/{}/{}.gif", "푸".repeat(84), "y".repeat(250));
    for key in ["300x300/a.gif", "300x300/a.gif.webp", "300x300/a.gif/b", "640x0/A.gif", "640x0/a.gif", "300x300/../../x", &long] {
        assert_eq!(folder.head(key).await, Err(StoreError::Missing), "{key}");
        folder.put(key, &object(b"made"), Overwrite::Never).await.unwrap();
        let again = place.folder();
        let opened = again.get(key).await.unwrap();
        assert_eq!(opened.head.content_type.as_deref(), Some("image/webp"));
        assert_eq!((opened.head.metadata.len(), opened.head.metadata["resize-settings"].as_str()), (2, "0123"));
        assert_eq!(opened.read(100, DEADLINE).await.unwrap(), "made", "{key}");
    }
    assert_eq!(kept(&place).len(), 7);
    assert_eq!(keys(&folder, "").await, [""; 0], "none of them is an original");
    assert_eq!(fs::read_to_string(place.pictures().join(".resized/.gitignore")).unwrap(), "*\n");
}

#[tokio::test]
async fn conditions_hold() {
    let place = Place::new();
    let (folder, other) = (place.folder(), place.folder());
    let key = "300x300/a.gif";
    assert_eq!(folder.put(key, &object(b"0"), Overwrite::Version("\"x\"")).await, Err(StoreError::Exists));
    folder.put(key, &object(b"1"), Overwrite::Never).await.unwrap();
    let first = etag(&folder, key).await;
    assert_eq!(other.put(key, &object(b"2"), Overwrite::Never).await, Err(StoreError::Exists));
    other.put(key, &object(b"3"), Overwrite::Version(&first)).await.unwrap();
    let second = etag(&folder, key).await;
    assert_ne!(first, second);
    assert_eq!(folder.put(key, &object(b"4"), Overwrite::Version(&first)).await, Err(StoreError::Exists));
    assert_eq!(folder.delete(key, Some(&first)).await, Err(StoreError::Exists));
    assert_eq!(read(&folder, key).await.unwrap(), "3");
    folder.put(key, &object(b"5"), Overwrite::Always).await.unwrap();
    let third = etag(&folder, key).await;
    folder.delete(key, Some(&third)).await.unwrap();
    folder.delete(key, Some(&third)).await.unwrap();
    assert_eq!(folder.head(key).await, Err(StoreError::Missing));
    assert!(kept(&place).is_empty(), "nothing is left of what was refused");
    let one = object(b"6");
    let writers = (0..20).map(|_| folder.put(key, &one, Overwrite::Never));
    let won = futures::future::join_all(writers).await.into_iter().flatten().count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_never_shown_and_gives_way() {
    let place = Place::new();
    let folder = place.folder();
    let key = "300x300/a.gif";
    folder.put(key, &object(b"whole"), Overwrite::Never).await.unwrap();
    let path = kept(&place).remove(0);
    let whole = fs::read(&path).unwrap();
    let line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let other = String::from_utf8(whole.clone()).unwrap().replace("300x300/a.gif", "300x300/b.gif");
    let version = String::from_utf8(whole.clone()).unwrap().replace("resized-1", "resized-0");
    let endless = [b"resized-1 ".repeat(10_000), whole.clone()].concat();
    let broken = [&whole[..0], &whole[..5], &whole[..line - 1], &whole[..line], &whole[..whole.len() - 1], other.as_bytes()];
    let broken = broken.into_iter().chain([version.as_bytes(), &endless, &[0; 300], &[0xFF; 300]]);
    for broken in broken.map(<[u8]>::to_vec).chain([[&whole[..], b"+"].concat()]) {
        fs::write(&path, &broken).unwrap();
        assert_eq!(
            folder.get(key).await.err(),
            Some(StoreError::Missing),
            "{:?}",
            String::from_utf8_lossy(&broken[..broken.len().min(99)])
        );
        folder.put(key, &object(b"anew"), Overwrite::Never).await.unwrap();
        assert_eq!(read(&folder, key).await.unwrap(), "anew");
    }
    // one that is being written is not in the way, and one that nobody writes any more goes
    let part = path.with_extension("0123.part");
    fs::write(&part, b"half").unwrap();
    assert!(place.folder().head(key).await.is_ok() && part.exists());
    File::options().write(true).open(&part).unwrap().set_modified(std::time::SystemTime::now() - Duration::from_hours(2)).unwrap();
    assert!(place.folder().head(key).await.is_ok() && !part.exists());
}

#[tokio::test]
async fn readers_see_the_old_or_the_new_and_never_a_mix() {
    let place = Place::new();
    let folder = place.folder();
    let key = "300x300/a.gif";
    let [old, new] = [(1, 200 << 10), (2, 300 << 10)].map(|(byte, length)| Object { bytes: vec![byte; length].into(), ..object(b"") });
    folder.put(key, &old, Overwrite::Always).await.unwrap();
    let writing = async {
        for _ in 0..30 {
            for object in [&new, &old] {
                folder.put(key, object, Overwrite::Always).await.unwrap();
            }
        }
    };
    let reading = async {
        for _ in 0..200 {
            let bytes = read(&folder, key).await.unwrap();
            assert!(bytes == old.bytes || bytes == new.bytes, "{} bytes", bytes.len());
        }
    };
    futures::join!(writing, reading);
}

#[test]
fn a_cache_that_could_be_asked_for_is_refused() {
    let place = Place::new();
    let pictures = place.pictures();
    let open = |cache: &Path| Folder::open(&pictures, Some(cache), settings());
    for cache in [pictures.clone(), pictures.join("cache"), pictures.join("a/b"), place.0.clone()] {
        let error = open(&cache).unwrap_err();
        assert!(matches!(error, FolderError::Shown(_)), "{error}");
    }
    symlink(&pictures, place.0.join("link")).unwrap();
    assert!(open(&place.0.join("link/cache")).is_err());
    for cache in [pictures.join(".cache"), pictures.join(".a/b"), place.0.join("cache"), place.0.join("pictures-cache")] {
        assert_eq!(open(&cache).unwrap().places(), (pictures.as_path(), cache.as_path()));
    }
    fs::write(place.0.join("file"), "").unwrap();
    assert!(matches!(open(&place.0.join("file")), Err(FolderError::Cache(..))));
    for folder in [place.0.join("file"), place.0.join("nowhere")] {
        assert!(matches!(Folder::open(&folder, None, settings()), Err(FolderError::Originals(..))));
    }
    let any = Settings { allowed_resolutions: [].into(), ..settings() };
    assert!(matches!(Folder::open(&pictures, None, any), Err(FolderError::NoSizes)));
}
