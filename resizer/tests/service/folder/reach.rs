//! What of a folder can be asked for: files in it, and nothing else of the machine.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use proptest::prelude::*;
use resizer::store::{Overwrite, Store, StoreError};

use super::{DEADLINE, GIF, Place, kept, keys, object, read};

#[tokio::test]
async fn no_key_leads_out_of_the_folder() {
    let place = Place::new();
    fs::write(place.0.join("secret.gif"), GIF).unwrap();
    fs::create_dir(place.0.join("pictures-2")).unwrap();
    fs::write(place.0.join("pictures-2/secret.gif"), GIF).unwrap();
    place.write("a/b.gif", GIF);
    place.write(".hidden.gif", GIF);
    place.write(".git/c.gif", GIF);
    let folder = place.folder();
    folder.put("300x300/a/b.gif", &object(b"x"), Overwrite::Never).await.unwrap();
    let cached = kept(&place)[0].strip_prefix(place.pictures()).unwrap().to_str().unwrap().to_owned();
    let absolute = place.0.join("secret.gif").to_str().unwrap().to_owned();
    for key in [
        "../secret.gif",
        "a/../../secret.gif",
        "a/../b.gif",
        "./a/b.gif",
        "a/./b.gif",
        "a//b.gif",
        "/a/b.gif",
        "a/b.gif/",
        "a/b.gif/.",
        "a",
        "a/",
        "",
        "/",
        ".",
        "..",
        "a/b.gif\0",
        "\0",
        "..\\secret.gif",
        "a\\..\\..\\secret.gif",
        "..%2fsecret.gif",
        "%2e%2e/secret.gif",
        "../pictures-2/secret.gif",
        &absolute,
        &absolute[1..],
        ".hidden.gif",
        ".git/c.gif",
        &cached,
        ".resized/lock",
        ".RESIZED/lock",
        &"a/".repeat(400),
        &"x".repeat(1000),
        &format!("a/{}.gif", "x".repeat(300)),
    ] {
        assert_eq!(folder.head(key).await, Err(StoreError::Missing), "{key:?}");
        assert_eq!(folder.get(key).await.err(), Some(StoreError::Missing), "{key:?}");
    }
    assert_eq!(keys(&folder, "").await, ["a/b.gif"]);
    // names of this system that mean nothing to it
    for key in ["a\\..\\b.gif", "%2e%2e%2fc.gif", "C:d.gif", "b c+&#?.gif", "푸른 마블.gif", "-rf.gif", "CON.gif", "e.gif ."] {
        place.write(key, GIF);
        assert_eq!(read(&folder, key).await.unwrap(), GIF, "{key}");
        assert!(keys(&folder, "").await.contains(&key.to_owned()), "{key}");
    }
}

#[tokio::test]
async fn links_lead_where_they_lead_unless_that_is_outside_or_hidden() {
    let place = Place::new();
    fs::write(place.0.join("secret.gif"), GIF).unwrap();
    let pictures = place.pictures();
    place.write("a/b.gif", GIF);
    place.write(".hidden/c.gif", GIF);
    for (target, name) in [
        ("../secret.gif", "out.gif"),
        ("..", "outside"),
        ("/etc", "etc"),
        ("/proc/self/root", "root"),
        ("loop.gif", "loop.gif"),
        ("nowhere.gif", "broken.gif"),
        (".hidden/c.gif", "hidden.gif"),
        (".hidden", "shown"),
        (".resized", "cache"),
        ("a/b.gif", "inside.gif"),
        ("a", "folder"),
        ("../pictures/a/b.gif", "and-back.gif"),
    ] {
        symlink(target, pictures.join(name)).unwrap();
    }
    symlink(pictures.join("a/b.gif"), pictures.join("absolute.gif")).unwrap();
    symlink(place.0.join("secret.gif"), pictures.join("absolute-out.gif")).unwrap();
    symlink("..", pictures.join("a/up")).unwrap();
    let folder = place.folder();
    for key in [
        "out.gif",
        "outside/secret.gif",
        "outside/pictures/.hidden/c.gif",
        "etc/passwd",
        "root/etc/passwd",
        "loop.gif",
        "broken.gif",
        "hidden.gif",
        "shown/c.gif",
        "cache/lock",
        "absolute-out.gif",
        "a/up/outside/secret.gif",
        "folder",
    ] {
        assert_eq!(folder.head(key).await, Err(StoreError::Missing), "{key}");
    }
    for key in ["inside.gif", "folder/b.gif", "and-back.gif", "absolute.gif", "a/up/a/up/a/b.gif"] {
        assert_eq!(read(&folder, key).await.unwrap(), GIF, "{key}");
    }
    assert_eq!(keys(&folder, "").await, ["a/b.gif", "absolute.gif", "and-back.gif", "inside.gif"]);
}

#[tokio::test]
async fn only_files_are_originals() {
    let place = Place::new();
    let pictures = place.pictures();
    assert!(Command::new("mkfifo").arg(pictures.join("fifo.gif")).status().unwrap().success());
    let _socket = UnixListener::bind(pictures.join("socket.gif")).unwrap();
    symlink("/dev/zero", pictures.join("device.gif")).unwrap();
    fs::create_dir(pictures.join("folder.gif")).unwrap();
    fs::write(pictures.join(std::ffi::OsStr::from_bytes(b"\xFF.gif")), GIF).unwrap();
    place.write("line\nbreak.gif", GIF);
    place.write("empty.gif", b"");
    let folder = place.folder();
    for key in ["fifo.gif", "socket.gif", "device.gif", "folder.gif", "\u{FFFD}.gif", "line\nbreak.gif"] {
        let opened = tokio::time::timeout(DEADLINE, folder.get(key)).await.expect("it does not wait for a writer");
        assert_eq!(opened.err(), Some(StoreError::Missing), "{key:?}");
    }
    assert_eq!(read(&folder, "empty.gif").await.unwrap(), "");
    assert_eq!(keys(&folder, "").await, ["empty.gif"]);
}

#[tokio::test]
async fn whoever_changes_the_tree_meanwhile_gains_nothing() {
    let place = Place::new();
    fs::create_dir(place.0.join("outside")).unwrap();
    fs::write(place.0.join("outside/b.gif"), b"secret").unwrap();
    place.write("a/b.gif", b"public");
    let folder = place.folder();
    let pictures = place.pictures();
    let stop = Arc::new(AtomicU64::new(0));
    let stopped = Arc::clone(&stop);
    // a folder that is now itself, and now a link to the outside
    let swapping = std::thread::spawn(move || {
        symlink("../outside", pictures.join("link")).unwrap();
        while stopped.load(Ordering::Relaxed) == 0 {
            fs::rename(pictures.join("a"), pictures.join("aside")).unwrap();
            fs::rename(pictures.join("link"), pictures.join("a")).unwrap();
            fs::rename(pictures.join("a"), pictures.join("link")).unwrap();
            fs::rename(pictures.join("aside"), pictures.join("a")).unwrap();
        }
    });
    let mut seen = [0, 0];
    for _ in 0..3000 {
        match read(&folder, "a/b.gif").await {
            Ok(bytes) => {
                assert_eq!(bytes, "public");
                seen[0] += 1;
            }
            Err(_) => seen[1] += 1,
        }
    }
    stop.store(1, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(seen[0] > 0, "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is asked for: it is the one picture, or nothing.
    #[test]
    fn no_key_reads_what_it_should_not(key in r"(\.|\.\.|a|b\.gif|/|\\|%2f|%2e|\x00|secret\.gif|pictures|300x300|\.resized|link| ){0,9}") {
        let place = Place::new();
        fs::write(place.0.join("secret.gif"), b"secret").unwrap();
        place.write("a/b.gif", b"public");
        place.write(".b.gif", b"secret");
        symlink("..", place.pictures().join("link")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(read(&place.folder(), &key));
        prop_assert!(found.as_ref().is_ok_and(|bytes| bytes == "public") || found == Err(StoreError::Missing), "{found:?}");
    }
}
