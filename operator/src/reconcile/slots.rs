//! Who may reconcile now: so many at a time, and of them no more than a share for one namespace, for one store, and for both.
//!
//! A store that does not answer, or one whose endpoints do not, holds up its own and not everybody's, also in its own namespace.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures::FutureExt;
use kube::runtime::reflector::ObjectRef;
use resize_api::ResizeEndpoint;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use crate::store_id::StoreId;

type Name = ObjectRef<ResizeEndpoint>;

/// Most reconciles at a time.
const ALL: usize = 32;
/// Most of them for one store.
const OF_A_STORE: usize = 16;
/// Most of them for one namespace.
const OF_A_NAMESPACE: usize = 12;
/// Most of these for one store.
const OF_BOTH: usize = 8;

/// The slots of all reconciles.
#[derive(Debug)]
pub struct Slots {
    all: Arc<Semaphore>,
    namespaces: Shares<String>,
    stores: Shares<StoreId>,
    both: Shares<(String, StoreId)>,
    closed: watch::Sender<bool>,
    /// Slots of those who were called and did not come yet.
    granted: Mutex<HashMap<Name, Slot>>,
    called: broadcast::Sender<Name>,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    _of: [Option<OwnedSemaphorePermit>; 4],
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            namespaces: Shares::new(OF_A_NAMESPACE),
            stores: Shares::new(OF_A_STORE),
            both: Shares::new(OF_BOTH),
            closed: watch::Sender::new(false),
            granted: Mutex::default(),
            called: broadcast::channel(ALL * 2).0,
        }
    }
}

impl Slots {
    /// Gives no more slots: the process is to end, and whoever waits would only hold that up.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// What `wait` comes to, unless it is told to end before.
    pub async fn unless_closed<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => None,
            done = wait => Some(done),
        }
    }

    /// The endpoints that have a slot now.
    pub fn called(&self) -> broadcast::Receiver<Name> {
        self.called.subscribe()
    }

    /// The slot that `name` was called for, or one that is free. Who gets none has to [`ask`](Self::ask).
    pub fn get(&self, name: &Name, namespace: &str, store: &StoreId) -> Option<Slot> {
        self.granted().remove(name).or_else(|| self.take(namespace, store.clone()).now_or_never())
    }

    /// Waits for a slot and calls `name`, which is `entered` until then.
    ///
    /// It does not wait in its reconcile: kube's runner polls all that run whenever one of them has something to say.
    pub async fn ask(&self, name: Name, namespace: &str, store: StoreId, entered: impl Send) {
        let Some(slot) = self.unless_closed(self.take(namespace, store)).await else { return };
        self.granted().insert(name.clone(), slot);
        drop(entered);
        // an error means that no controller listens, so nothing reconciles
        let _ = self.called.send(name);
    }

    /// `name` was called and is gone.
    pub fn forget(&self, name: &Name) {
        let slot = self.granted().remove(name);
        drop(slot);
    }

    fn granted(&self) -> MutexGuard<'_, HashMap<Name, Slot>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot. Who waits holds nothing but shares of its own namespace and store, and of its namespace's share not all.
    pub async fn take(&self, namespace: &str, store: StoreId) -> Slot {
        let both = self.both.take((namespace.to_owned(), store.clone())).await;
        let namespace = self.namespaces.take(namespace.to_owned()).await;
        let store = self.stores.take(store).await;
        let slot = Arc::clone(&self.all).acquire_owned().await.ok();
        Slot { _of: [both, namespace, store, slot] }
    }
}

/// The same number of slots for each key. One that nobody has or waits for is forgotten.
#[derive(Debug)]
struct Shares<K> {
    size: usize,
    shares: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Eq + Hash> Shares<K> {
    fn new(size: usize) -> Self {
        Self { size, shares: Mutex::default() }
    }

    async fn take(&self, key: K) -> Option<OwnedSemaphorePermit> {
        // it is never closed
        self.share(key).acquire_owned().await.ok()
    }

    fn share(&self, key: K) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&key).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.size));
        shares.insert(key, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str) -> StoreId {
        format!("http://{name}.example.com").parse().unwrap()
    }

    /// As many slots as there are at once.
    fn take_all(slots: &Slots, count: usize, of: impl Fn(usize) -> (String, StoreId)) -> Vec<Slot> {
        (0..count).map(of).map_while(|(namespace, store)| slots.take(&namespace, store).now_or_never()).collect()
    }

    #[tokio::test]
    async fn one_namespace_leaves_slots_to_others() {
        let slots = Slots::default();
        let greedy = take_all(&slots, 100, |number| ("greedy".to_owned(), store(&format!("s{number}"))));
        assert_eq!(greedy.len(), OF_A_NAMESPACE);
        // those that wait hold nothing either
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(slots.take("greedy", store("s")))).collect();
        assert!(waiting.iter_mut().all(|slot| slot.now_or_never().is_none()));
        assert!(slots.take("modest", store("s")).now_or_never().is_some());
        drop(greedy);
        assert!(slots.take("modest", store("s")).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_store_leaves_slots_to_others() {
        let slots = Slots::default();
        let stuck = take_all(&slots, 100, |number| (format!("n{number}"), store("stuck")));
        assert_eq!(stuck.len(), OF_A_STORE);
        assert!(slots.take("other", store("other")).now_or_never().is_some());
        drop(stuck);
        assert!(slots.take("n0", store("stuck")).now_or_never().is_some());
        assert!(slots.stores.shares.lock().unwrap().len() <= 2, "what nobody uses is forgotten");
    }

    #[tokio::test]
    async fn one_store_leaves_slots_to_others_of_its_namespace() {
        let slots = Slots::default();
        let stuck = take_all(&slots, 100, |_| ("one".to_owned(), store("stuck")));
        assert_eq!(stuck.len(), OF_BOTH);
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(slots.take("one", store("stuck")))).collect();
        assert!(waiting.iter_mut().all(|slot| slot.now_or_never().is_none()));
        assert!(slots.take("one", store("other")).now_or_never().is_some());
        // nor if it is others who hold the whole share of the store
        drop((stuck, waiting));
        let _elsewhere = take_all(&slots, 100, |number| (format!("n{number}"), store("stuck")));
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(slots.take("one", store("stuck")))).collect();
        assert!(waiting.iter_mut().all(|slot| slot.now_or_never().is_none()));
        assert!(slots.take("one", store("other")).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_asks_is_called_and_has_its_slot_until_it_comes_or_is_gone() {
        let (slots, name) = (Slots::default(), |name: &str| Name::new(name).within("one"));
        let held = take_all(&slots, OF_BOTH, |_| ("one".to_owned(), store("s")));
        let mut called = slots.called();
        let get = |of: &str| slots.get(&name(of), "one", &store("s"));
        assert!(get("a").is_none());
        let mut asks = ["a", "b"].map(|of| Box::pin(slots.ask(name(of), "one", store("s"), ())));
        assert!(asks.iter_mut().all(|ask| ask.now_or_never().is_none()) && called.is_empty());
        drop(held);
        assert!(asks.iter_mut().all(|ask| ask.now_or_never().is_some()));
        assert_eq!([called.recv().await.unwrap(), called.recv().await.unwrap()], [name("a"), name("b")]);
        let others = take_all(&slots, 100, |_| ("one".to_owned(), store("s")));
        assert_eq!(others.len(), OF_BOTH - 2, "their slots are kept for them");
        let slot = get("a").unwrap();
        assert!(get("c").is_none());
        slots.forget(&name("b"));
        assert!(get("c").is_some());
        drop(slot);
    }

    #[tokio::test]
    async fn who_waits_holds_up_no_end() {
        let slots = Slots::default();
        let _greedy = take_all(&slots, 100, |number| ("greedy".to_owned(), store(&format!("s{number}"))));
        let mut waiting = Box::pin(slots.unless_closed(slots.take("greedy", store("s"))));
        assert!(waiting.as_mut().now_or_never().is_none());
        slots.close();
        assert!(matches!(waiting.as_mut().now_or_never(), Some(None)));
    }

    #[tokio::test]
    async fn there_are_no_more_than_all() {
        let slots = Slots::default();
        let taken = take_all(&slots, 100, |number| (format!("n{number}"), store(&format!("s{number}"))));
        assert_eq!(taken.len(), ALL);
    }
}
