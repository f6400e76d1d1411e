//! The endpoints that wait for their turn to be looked at. They will see all that is heard until then, so nothing calls them once more.
//!
//! Without it thousands would be called while they wait, and kube's scheduler looks through all of these at whatever it hears.
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
    /// `name` waits until the result is dropped: before it is looked at.
    pub fn enter(&self, name: Name) -> impl Drop + use<> {
        self.all().insert(name.clone());
        Entered { waiting: self.clone(), name }
    }

    /// Whether `name` is to be called.
    pub fn lets(&self, name: &Name) -> bool {
        !self.all().contains(name)
    }

    fn all(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entered {
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
        let entered = waiting.enter(name());
        assert!(!waiting.lets(&name()) && waiting.lets(&Name::new("photos").within("other")));
        drop(entered);
        assert!(waiting.lets(&name()));
    }
}
