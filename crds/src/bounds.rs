//! [`Bounds`]: deadlines, and how many of a thing at once, so that one visitor, one picture or one slow store cannot block all others.
//!
//! A part of `settings` above; `environment` below parses it.

use std::{num::NonZeroUsize, time::Duration};

use crate::environment::{Env, SettingError};

/// Deadlines and numbers, beside the queue's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// `FETCHES`: originals being fetched at once.
    pub fetches: NonZeroUsize,
    /// `STORES`: derivatives being stored at once.
    pub stores: NonZeroUsize,
    /// `FETCH_SECONDS`: for an original, repetitions included.
    pub fetch: Duration,
    /// `RESIZE_SECONDS`: for a resize once it has begun.
    pub resize: Duration,
    /// `STORE_SECONDS`: for storing a derivative, repetitions included.
    pub store: Duration,
    /// `REQUEST_SECONDS`: for an answer, whatever it waits for.
    pub request: Duration,
    /// `CLIENT_SECONDS`: for a request's head once it has begun, and for each part of an answer to be taken.
    pub client: Duration,
    /// `STREAMS`: stored objects being sent to visitors at once, where the resizer itself answers them.
    pub streams: NonZeroUsize,
    /// `CONNECTIONS`: open connections at once on each port; more wait in the kernel.
    pub connections: NonZeroUsize,
    /// `NEGATIVE_SECONDS`: how long it is remembered that an original is missing or bad; 0 forgets at once.
    pub negative: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            fetches: const { NonZeroUsize::new(64).unwrap() },
            stores: const { NonZeroUsize::new(64).unwrap() },
            fetch: Duration::from_secs(20),
            resize: Duration::from_secs(30),
            store: Duration::from_secs(20),
            request: Duration::from_mins(1),
            client: Duration::from_secs(10),
            streams: const { NonZeroUsize::new(256).unwrap() },
            connections: const { NonZeroUsize::new(1024).unwrap() },
            negative: Duration::from_secs(10),
        }
    }
}

impl Bounds {
    fn numbers(&mut self) -> [(&'static str, &mut NonZeroUsize); 4] {
        let Self { fetches, stores, streams, connections, .. } = self;
        [("FETCHES", fetches), ("STORES", stores), ("STREAMS", streams), ("CONNECTIONS", connections)]
    }

    fn durations(&mut self) -> [(&'static str, &mut Duration); 6] {
        [
            ("FETCH_SECONDS", &mut self.fetch),
            ("RESIZE_SECONDS", &mut self.resize),
            ("STORE_SECONDS", &mut self.store),
            ("REQUEST_SECONDS", &mut self.request),
            ("CLIENT_SECONDS", &mut self.client),
            ("NEGATIVE_SECONDS", &mut self.negative),
        ]
    }

    pub(crate) fn read<F: Fn(&str) -> Option<String>>(&mut self, env: &Env<'_, F>) -> Result<(), SettingError> {
        for (name, number) in self.numbers() {
            env.read(name, number)?;
        }
        for (name, duration) in self.durations() {
            let Some(seconds) = env.optional(name)? else { continue };
            if seconds == 0 && name != "NEGATIVE_SECONDS" {
                return Err(SettingError { name, problem: "`0`: want at least 1 second".to_owned() });
            }
            *duration = Duration::from_secs(seconds);
        }
        Ok(())
    }

    /// Tells `put` name, value and default of each.
    pub(crate) fn write(&self, mut put: impl FnMut(&'static str, String, String)) {
        let (mut these, mut default) = (self.clone(), Self::default());
        for ((name, value), (_, default)) in these.numbers().into_iter().zip(default.numbers()) {
            put(name, value.to_string(), default.to_string());
        }
        for ((name, value), (_, default)) in these.durations().into_iter().zip(default.durations()) {
            put(name, value.as_secs().to_string(), default.as_secs().to_string());
        }
    }
}
