//! The store's keys of sealed content, as areas above use them: they name bytes by them, and change
//! them.

use std::sync::Arc;

use super::error::StoreError;
use super::seals::{key_rows, write_copy};
use super::{Store, View};
use crate::model::digest::Digest;
use crate::seal::Keyring;

impl Store {
    /// What makes of a SHA-256 the name by which bytes are known, in the clear or sealed.
    pub fn naming(
        &self,
        is_sealed: bool,
    ) -> impl Fn(Digest) -> Digest + Clone + Send + use<> + 'static {
        let ring = self.keys.seals.ring().filter(|_| is_sealed);
        move |sha256| {
            ring.as_ref()
                .map_or(sha256, |ring| ring.names().digest(sha256))
        }
    }

    /// Brings the copy of the data keys, beside the database, up to date.
    pub async fn copy_data_keys(&self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let turn = Arc::clone(&self.keys.seals.copying).lock_owned().await;
        let copy = move |view: &View<'_>| {
            // It lasts as long as the work, also if nobody waits for that any more.
            let _turn = turn;
            let rows = key_rows(view.connection)?;
            let written = write_copy(&rows, &path);
            written.map_err(|error| StoreError::Statement(error.to_string()))
        };
        self.read_briefly(copy).await
    }

    /// What has other keys used from now on. It is to be called on the thread that writes, before
    /// the next transaction: none may seal by a key that is about to go.
    pub fn keyring_setter(&self) -> impl FnOnce(&Keyring) + Send + use<> + 'static {
        let keys = Arc::clone(&self.keys);
        move |ring| keys.seals.use_ring(ring.clone())
    }
}
