//! The endpoints that wait for their turn to be looked at. They will see all that is heard until then, so nothing calls them once more.
//!
//! `reconcile` above enters them, `controller` and `children` ask; nothing is below.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::runtime::reflector::ObjectRef;
use resize_api::ResizeEndpoint;

type Name = ObjectRef<ResizeEndpoint>;

/// Who waits.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<HashSet<Name>>>);

impl Waiting {
    /// `name` waits until the result is dropped: before it is looked at. Nothing, if it waits already.
    pub fn enter(&self, name: &Name) -> Option<Entered> {
        self.all().insert(name.clone()).then(|| Entered { waiting: self.clone(), name: name.clone() })
    }

    /// Whether `name` is to be called.
    pub fn lets(&self, name: &Name) -> bool {
        !self.all().contains(name)
    }

    fn all(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
pub struct Entered {
    waiting: Waiting,
    name: Name,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.waiting.all().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_not_called_and_who_is_looked_at_is() {
        let (waiting, name) = (Waiting::default(), || Name::new("photos").within("demo"));
        let entered = waiting.enter(&name());
        assert!(entered.is_some() && waiting.enter(&name()).is_none());
        assert!(!waiting.lets(&name()) && waiting.lets(&Name::new("photos").within("other")));
        drop(entered);
        assert!(waiting.lets(&name()));
    }
}
