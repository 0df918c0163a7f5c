//! The data of a backup, opened in a folder of its own and verified as a server verifies what it
//! holds.

use std::path::Path;
use std::sync::Arc;

use crate::config::Limits;
use crate::domain::content::Content;
use crate::domain::content::cache::DecodedCache;
use crate::domain::engine::Engine;
use crate::domain::engine::data_dir::DirLock;
use crate::domain::error::Error;
use crate::domain::integrity::Integrity;
use crate::domain::integrity::findings::Tally;
use crate::domain::integrity::verifications::Verifications;
use crate::domain::integrity::verify::{Verified, VerifyRequest};
use crate::model::actor::Origin;
use crate::model::caller::Caller;

/// An opened copy of some data.
pub(super) struct OpenedCopy {
    pub(super) engine: Arc<Engine>,
    content: Content,
    verifications: Verifications,
}

/// The person at the machine, who restores.
pub(super) fn operator() -> Caller {
    Caller::operator(Origin::within("restore"))
}

impl OpenedCopy {
    /// Opens the data in a folder, and brings its schema up to date.
    pub(super) fn open(folder: &Path, limits: &Limits) -> Result<Self, String> {
        let lock = DirLock::take(folder).map_err(|error| error.to_string())?;
        // Each version is decoded once.
        let limits = Limits {
            cache_size: 0,
            ..limits.clone()
        };
        let cache = Arc::new(DecodedCache::new(limits.cache_size));
        let engine = Engine::open(lock, limits, Arc::clone(&cache) as _);
        let engine = Arc::new(engine.map_err(|error| error.to_string())?);
        Ok(Self {
            content: Content::new(Arc::clone(&engine), cache),
            verifications: Verifications::default(),
            engine,
        })
    }

    /// Verifies everything: structure, rows, and the bytes of each version.
    pub(super) async fn verify(&self) -> Result<Verified, Error> {
        let integrity = Integrity::new(&self.engine, &self.content, &self.verifications);
        integrity
            .verify(&operator(), VerifyRequest::default())
            .await
    }

    /// The same beside a server that works: with half a core at the most.
    pub(super) async fn verify_beside(&self) -> Result<Tally, Error> {
        let integrity = Integrity::new(&self.engine, &self.content, &self.verifications);
        integrity.verify_beside().await
    }

    /// Closes it: all changes are in the file, and nothing lies beside it.
    pub(super) async fn close(self) {
        self.engine.store.close().await;
    }
}
