//! One writer per bucket at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::{endpoint::BucketAddress, store_id::StoreId};

/// A store and the bucket's name there.
type Key = (StoreId, String);

/// Locks by bucket. A lock that nobody holds is forgotten.
#[derive(Debug, Default)]
pub struct Locks(Mutex<HashMap<Key, Weak<Turn<()>>>>);

impl Locks {
    /// Waits until nobody else has the bucket at `address`, and has it until the result is dropped.
    pub async fn lock(&self, address: &BucketAddress) -> OwnedMutexGuard<()> {
        self.turn(address).lock_owned().await
    }

    fn turn(&self, address: &BucketAddress) -> Arc<Turn<()>> {
        let key = (address.store(), address.name.clone());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        all.insert(key, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixtures::{config, resource};

    #[tokio::test]
    async fn one_at_a_time_for_each_bucket_and_nothing_is_kept() {
        let locks = Locks::default();
        let address = BucketAddress::new(&resource(), &config().s3).unwrap();
        let other = BucketAddress { name: "other".into(), ..address.clone() };
        let held = locks.lock(&address).await;
        assert!(locks.turn(&address).try_lock_owned().is_err());
        let spelled = BucketAddress { endpoint: Some("https://S3.eu-central-1.amazonaws.com:443".into()), ..address.clone() };
        assert!(locks.turn(&spelled).try_lock_owned().is_err(), "the same store in other words");
        assert!(locks.turn(&other).try_lock_owned().is_ok());
        drop(held);
        assert!(locks.turn(&address).try_lock_owned().is_ok());
        drop(locks.turn(&other));
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }
}
