//! Work that many ask for at the same time and that is done once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::OnceCell;

/// The work under way, by what it is about.
pub(in crate::domain) struct SingleFlight<K: Eq + Hash, V> {
    running: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

impl<K: Eq + Hash, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Does some work, or waits for whoever does the same already. Work that fails is tried again
    /// by the next who waits.
    pub(in crate::domain) async fn run<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: K,
        work: impl FnOnce() -> F,
    ) -> Result<V, E> {
        let run = Arc::clone(open(&self.running).entry(key.clone()).or_default());
        let _listed = Listed {
            running: &self.running,
            key,
        };
        run.get_or_try_init(work).await.cloned()
    }
}

/// Takes work out of the list when it ends or its caller goes away; whoever shares it keeps it.
struct Listed<'a, K: Eq + Hash, V> {
    running: &'a Mutex<HashMap<K, Arc<OnceCell<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Listed<'_, K, V> {
    fn drop(&mut self) {
        open(self.running).remove(&self.key);
    }
}

/// Locks something to look at it beside others who do: a reader whom the system stops in between
/// then holds up no other reader.
pub(in crate::domain) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks something to change it. It is valid after each statement, so that a panic elsewhere does
/// no harm to it.
pub(in crate::domain) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Locks something that is valid after each statement, so that a panic elsewhere does no harm to
/// it.
pub(in crate::domain) fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
