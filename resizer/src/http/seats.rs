//! A bounded number of connections: a new one gets a seat, and where all are taken the longest idle connection loses its own.
//!
//! `server` asks for a seat before it serves a connection; `connection` says which are idle.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::connection::Phase;

/// The seats of one port.
pub struct Seats {
    most: usize,
    open: Arc<Mutex<Open>>,
    /// A connection has ended, or has become idle.
    change: Arc<Notify>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (Phase, Arc<Notify>)>,
}

/// One connection's seat; free again when it is dropped.
pub struct Seat {
    open: Arc<Mutex<Open>>,
    change: Arc<Notify>,
    number: u64,
    given_away: Arc<Notify>,
}

impl Seats {
    /// `most` seats.
    pub fn new(most: usize) -> Self {
        Self { most, open: Arc::default(), change: Arc::default() }
    }

    /// Waits for a seat. The connection that loses its own for it learns that by [`Seat::given_away`]; while all connections are at
    /// work, none does.
    pub async fn enter(&self) -> (Seat, Phase) {
        loop {
            if let Some(seat) = self.try_enter() {
                return seat;
            }
            self.change.notified().await;
        }
    }

    fn try_enter(&self) -> Option<(Seat, Phase)> {
        let mut open = lock(&self.open);
        if open.connections.len() >= self.most {
            open.evict()?;
        }
        let (number, phase) = (open.next, Phase::new(Arc::clone(&self.change)));
        open.next += 1;
        let given_away = Arc::new(Notify::new());
        open.connections.insert(number, (phase.clone(), Arc::clone(&given_away)));
        let seat = Seat { open: Arc::clone(&self.open), change: Arc::clone(&self.change), number, given_away };
        Some((seat, phase))
    }
}

impl Open {
    /// Takes its seat from the connection that has been idle for the longest time, if there is one.
    fn evict(&mut self) -> Option<()> {
        let idle = self.connections.iter().filter_map(|(number, (phase, _))| Some((phase.idle_since()?, *number)));
        let (_, number) = idle.min()?;
        let (_, given_away) = self.connections.remove(&number)?;
        given_away.notify_one();
        Some(())
    }
}

impl Seat {
    /// Waits until another connection has this seat.
    pub async fn given_away(&self) {
        self.given_away.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.open).connections.remove(&self.number);
        self.change.notify_one();
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_idle_for_the_longest_time_gives_way_and_those_at_work_do_not() {
        let seats = Seats::new(2);
        let later = || tokio::time::advance(std::time::Duration::from_secs(1));
        let (first, first_phase) = seats.enter().await;
        later().await;
        let (second, second_phase) = seats.enter().await;
        first_phase.work();
        let (third, third_phase) = seats.enter().now_or_never().expect("the second one gives way");
        assert!(second.given_away().now_or_never().is_some() && first.given_away().now_or_never().is_none());
        third_phase.work();
        second_phase.work();
        assert!(seats.enter().now_or_never().is_none(), "all are at work");
        let waiting = seats.enter();
        let ends = async {
            first_phase.answer();
            tokio::task::yield_now().await;
            assert!(first.given_away().now_or_never().is_none(), "it still takes its answer");
            first_phase.idle();
        };
        let ((fourth, _), ()) = futures::join!(waiting, ends);
        assert!(first.given_away().now_or_never().is_some() && third.given_away().now_or_never().is_none());
        drop((first, second));
        assert_eq!(lock(&seats.open).connections.len(), 2);
        drop((third, fourth));
        assert!(lock(&seats.open).connections.is_empty());
    }
}
