//! Work that many ask for at the same time and that is done once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

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
    /// Does some work, or waits for a caller who does the same already. Work that fails is tried
    /// again by the next who waits.
    pub(in crate::domain) async fn run<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: K,
        work: impl FnOnce() -> F,
    ) -> Result<V, E> {
        let run = Arc::clone(self.running.lock().entry(key.clone()).or_default());
        let _listed = Listed {
            running: &self.running,
            key,
        };
        run.get_or_try_init(work).await.cloned()
    }
}

/// Takes work out of the list when it ends or its caller goes away; callers who share it keep it.
struct Listed<'a, K: Eq + Hash, V> {
    running: &'a Mutex<HashMap<K, Arc<OnceCell<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Listed<'_, K, V> {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}
