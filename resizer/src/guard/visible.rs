//! URLs of originals and derivatives → whether visitors can read them at the public URL, remembered for minutes.
//!
//! The resizer reads the bucket with its own credentials, which may reach more than visitors do. So it sends a picture in the answer
//! itself only if visitors could read the original, too. `derivative` asks; `store::website` below sends the requests.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::store::website::{Sight, Website};

/// How long it is remembered what visitors see of an original; a site that did not answer is asked again sooner.
const MEMORY: Duration = Duration::from_mins(5);
const SHORT_MEMORY: Duration = Duration::from_secs(30);
/// Originals remembered; beyond that the oldest is forgotten.
const CAPACITY: usize = 1024;

/// What is known of the public URL.
pub struct Visible {
    website: Arc<dyn Website>,
    originals: Mutex<Originals>,
    derivatives: Mutex<Derivatives>,
}

#[derive(Default)]
struct Originals {
    known: HashMap<String, (Instant, Sight)>,
    order: VecDeque<(Instant, String)>,
}

/// Whether the public URL shows what is stored.
#[derive(Clone, Copy)]
enum Derivatives {
    Unseen,
    /// It did not answer at this time.
    Silent(Instant),
    Seen,
}

impl Visible {
    /// Asks `website`.
    pub fn new(website: Arc<dyn Website>) -> Self {
        Self { website, originals: Mutex::default(), derivatives: Mutex::new(Derivatives::Unseen) }
    }

    /// What visitors see at the `url` of an original. Every original is asked for by itself:
    /// beside one that everybody may read there may be one that has another ACL, or a tag.
    pub async fn original(&self, url: &str) -> Sight {
        if let Some(known) = lock(&self.originals).recall(url, Instant::now()) {
            return known;
        }
        let sight = self.website.look(url).await;
        lock(&self.originals).note(url, sight, Instant::now());
        sight
    }

    /// What visitors see at the `url` of a derivative that was just stored. After the first one that was shown, nothing is asked any more.
    pub async fn derivative(&self, url: &str) -> Sight {
        match *lock(&self.derivatives) {
            Derivatives::Seen => return Sight::Shown,
            Derivatives::Silent(at) if at.elapsed() < SHORT_MEMORY => return Sight::Unknown,
            _ => {}
        }
        let sight = self.website.look(url).await;
        *lock(&self.derivatives) = match sight {
            Sight::Shown => Derivatives::Seen,
            Sight::Refused(_) => Derivatives::Unseen,
            Sight::Unknown => Derivatives::Silent(Instant::now()),
        };
        sight
    }
}

impl Originals {
    fn recall(&mut self, url: &str, now: Instant) -> Option<Sight> {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) > MEMORY) {
            self.pop();
        }
        let (at, sight) = *self.known.get(url)?;
        let age = if sight == Sight::Unknown { SHORT_MEMORY } else { MEMORY };
        (now.duration_since(at) <= age).then_some(sight)
    }

    fn note(&mut self, url: &str, sight: Sight, now: Instant) {
        if self.order.len() == CAPACITY {
            self.pop();
        }
        self.order.push_back((now, url.to_owned()));
        self.known.insert(url.to_owned(), (now, sight));
    }

    fn pop(&mut self) {
        let Some((at, url)) = self.order.pop_front() else { return };
        // a later note of the same URL outlives this one
        if self.known.get(&url).is_some_and(|(noted, _)| *noted == at) {
            self.known.remove(&url);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{BoxFuture, FutureExt};
    use http::StatusCode;

    use super::*;

    /// Shows what has `public` in its URL, says nothing of what has `silent`; counts.
    #[derive(Default)]
    struct Site(AtomicUsize);

    impl Website for Site {
        fn look<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Sight> {
            self.0.fetch_add(1, Ordering::SeqCst);
            let sight = match url {
                url if url.contains("public") => Sight::Shown,
                url if url.contains("silent") => Sight::Unknown,
                _ => Sight::Refused(StatusCode::FORBIDDEN),
            };
            async move { sight }.boxed()
        }
    }

    fn visible() -> (Visible, Arc<Site>) {
        let site = Arc::new(Site::default());
        (Visible::new(site.clone()), site)
    }

    #[tokio::test(start_paused = true)]
    async fn an_original_is_asked_for_once_and_by_itself() {
        let (visible, site) = visible();
        for _ in 0..10 {
            assert_eq!(visible.original("http://a/public/a.jpg").await, Sight::Shown);
            assert_eq!(visible.original("http://a/private/a.jpg").await, Sight::Refused(StatusCode::FORBIDDEN));
            assert_eq!(visible.original("http://a/silent/a.jpg").await, Sight::Unknown);
        }
        assert_eq!(site.0.load(Ordering::SeqCst), 3);
        tokio::time::advance(SHORT_MEMORY + Duration::from_millis(1)).await;
        visible.original("http://a/silent/a.jpg").await;
        visible.original("http://a/private/a.jpg").await;
        assert_eq!(site.0.load(Ordering::SeqCst), 4, "a site that did not answer is asked again sooner");
        tokio::time::advance(MEMORY).await;
        visible.original("http://a/private/a.jpg").await;
        assert_eq!(site.0.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let (visible, _) = visible();
        for number in 0..CAPACITY + 10 {
            visible.original(&format!("http://a/{number}")).await;
        }
        let originals = visible.originals.lock().unwrap();
        assert_eq!((originals.order.len(), originals.known.len()), (CAPACITY, CAPACITY));
    }

    #[tokio::test(start_paused = true)]
    async fn derivatives_are_looked_at_until_one_is_seen() {
        let (visible, site) = visible();
        for (url, sight, asked) in [
            ("http://a/silent.jpg", Sight::Unknown, 1),
            ("http://a/public.jpg", Sight::Unknown, 1),
            ("later", Sight::Refused(StatusCode::FORBIDDEN), 2),
            ("http://a/private.jpg", Sight::Refused(StatusCode::FORBIDDEN), 3),
            ("http://a/public.jpg", Sight::Shown, 4),
            ("http://a/private.jpg", Sight::Shown, 4),
        ] {
            if url == "later" {
                tokio::time::advance(SHORT_MEMORY).await;
            }
            assert_eq!((visible.derivative(url).await, site.0.load(Ordering::SeqCst)), (sight, asked), "{url}");
        }
    }
}
