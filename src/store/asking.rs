//! Questions and acts that go to threads of the store. Each is put into a box where it comes in, so
//! all behind is compiled once and not once for each of them: the types of what is asked and
//! answered are known here and to who asks.

use super::made;
use super::readers::{self, ReadJob, Reading};
use super::writer::{self, Afterwards, Work};
use super::{Store, StoreError, Touches, Tx, View};
use crate::model::key::KeyId;

impl Store {
    /// Reads as many rows as there are, at one moment, on a thread that may wait for the disk. Such
    /// questions have half of the places of readers, so that brief ones do not wait for them.
    pub fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.ask(Reading::Long, readers::question(job, |found| found))
    }

    /// Reads a few rows, at one moment, on a thread that may wait for the disk.
    pub fn read_briefly<T: Send + 'static>(
        &self,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.ask(Reading::Brief, readers::question(job, |found| found))
    }

    /// Reads, and makes something of what was found on the thread that has read it.
    pub fn read_then<T, U: Send + 'static>(
        &self,
        reading: Reading,
        job: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(T) -> U + Send + 'static,
    ) -> impl Future<Output = Result<U, StoreError>> + Send {
        self.ask(reading, readers::question(job, then))
    }

    async fn ask<T: 'static>(&self, reading: Reading, question: ReadJob) -> Result<T, StoreError> {
        let found = self.readers.answer(reading, question).await;
        self.damage.look_at(found).and_then(made::shown)
    }

    /// Writes all that `job` does, or nothing, and answers when it is on disk. `bytes` is about how
    /// much it adds, so that batches stay bounded. It touches no address but those that it
    /// declares.
    ///
    /// The job may run more than once, so it must have no effect but through its [`Tx`]. It goes on
    /// when the caller goes away.
    pub fn write<T: Send + 'static>(
        &self,
        touches: Touches,
        bytes: usize,
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.write_of(None, (touches, bytes), job)
    }

    /// The same; `then` is done with what came of it whether or not the caller still waits, on the
    /// thread that writes: it has to be brief.
    pub fn write_then<T: Send + 'static>(
        &self,
        touches: Touches,
        bytes: usize,
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&Result<T, StoreError>) + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.write_of_then(None, (touches, bytes), job, then)
    }

    /// The same as [`Self::write`] for a key, whose jobs take turns with those of others.
    pub fn write_of<T: Send + 'static>(
        &self,
        key: Option<KeyId>,
        size: (Touches, usize),
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.have_written(key, size, writer::work(job), None)
    }

    /// The same as [`Self::write_then`] for a key.
    pub fn write_of_then<T: Send + 'static>(
        &self,
        key: Option<KeyId>,
        size: (Touches, usize),
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(&Result<T, StoreError>) + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        let then: Afterwards = Box::new(move |outcome| {
            let outcome = outcome.and_then(made::shown);
            then(&outcome);
            outcome.map(made::hidden)
        });
        self.have_written(key, size, writer::work(job), Some(then))
    }

    async fn have_written<T: 'static>(
        &self,
        key: Option<KeyId>,
        size: (Touches, usize),
        work: Work,
        then: Option<Afterwards>,
    ) -> Result<T, StoreError> {
        let queue = self.writer.queue().of(key);
        queue.answer(size, work, then).await.and_then(made::shown)
    }

    /// The same as [`Self::write`], in a transaction without any other job.
    pub async fn write_alone<T: Send + 'static>(
        &self,
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write_alone(job).await
    }
}
