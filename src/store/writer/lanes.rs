//! Where jobs wait for the writing thread: in a lane for each key, and one of each lane in turn. A
//! key with a thousand jobs waits for itself, and another one's next job is in the next batch.
//!
//! The order within a lane is kept. What the operator and the server itself write is in one lane.
//! A message that is no job comes after all jobs that were queued before it, and before all others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{
    Receiver, RecvError, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::time::Duration;

use parking_lot::Mutex;

use super::job::{Job, Lane, Message};
use crate::sabotage::{self, Fault};
use crate::store::error::StoreError;

/// Jobs in their lanes.
#[derive(Default)]
struct Lanes {
    turns: VecDeque<Lane>,
    jobs: HashMap<Lane, VecDeque<Box<dyn Job>>>,
}

impl Lanes {
    fn push(&mut self, lane: Lane, job: Box<dyn Job>) {
        let jobs = self.jobs.entry(lane).or_default();
        if jobs.is_empty() {
            self.turns.push_back(lane);
        }
        jobs.push_back(job);
    }

    /// The next job of the lane whose turn it is. The lane then comes last.
    fn pop(&mut self) -> Option<Box<dyn Job>> {
        let lane = self.turns.pop_front()?;
        let jobs = self.jobs.get_mut(&lane)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.jobs.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        job
    }
}

/// What waits between two messages that are no jobs, or one of these.
enum Section {
    Jobs(Lanes),
    Other(Message),
}

/// All that waits.
#[derive(Default)]
struct Waiting(VecDeque<Section>);

impl Waiting {
    fn push(&mut self, job: Box<dyn Job>) {
        let lane = job.lane().filter(|_| !sabotage::is(Fault::FifoQueue));
        if let Some(Section::Jobs(lanes)) = self.0.back_mut() {
            lanes.push(lane, job);
            return;
        }
        let mut lanes = Lanes::default();
        lanes.push(lane, job);
        self.0.push_back(Section::Jobs(lanes));
    }

    fn pop(&mut self) -> Option<Message> {
        while let Some(section) = self.0.front_mut() {
            if let Section::Jobs(lanes) = section
                && let Some(job) = lanes.pop()
            {
                return Some(Message::Job(job));
            }
            if let Some(Section::Other(message)) = self.0.pop_front() {
                return Some(message);
            }
        }
        None
    }
}

/// The end at which messages are queued.
#[derive(Clone)]
pub(super) struct Entrance {
    /// One for each message, so that the channel bounds them and wakes the thread.
    tokens: SyncSender<()>,
    waiting: Arc<Mutex<Waiting>>,
}

/// The end of the thread that writes. What waits when it is dropped is dropped with it.
pub(super) struct Exit {
    tokens: Option<Receiver<()>>,
    waiting: Arc<Mutex<Waiting>>,
}

/// The two ends of a queue in which at most so many jobs wait.
pub(super) fn queue(most: usize) -> (Entrance, Exit) {
    let (sender, receiver) = sync_channel(most);
    let waiting = Arc::<Mutex<Waiting>>::default();
    let entrance = Entrance {
        tokens: sender,
        waiting: Arc::clone(&waiting),
    };
    let exit = Exit {
        tokens: Some(receiver),
        waiting,
    };
    (entrance, exit)
}

impl Entrance {
    /// Queues a job, or gives it back with the reason.
    pub(super) fn try_send(&self, job: Box<dyn Job>) -> Result<(), (StoreError, Box<dyn Job>)> {
        // Whoever has the token waits for the message that belongs to it.
        let mut waiting = self.waiting.lock();
        match self.tokens.try_send(()) {
            Ok(()) => {
                waiting.push(job);
                Ok(())
            }
            Err(TrySendError::Full(())) => Err((StoreError::Busy, job)),
            Err(TrySendError::Disconnected(())) => Err((StoreError::Closed, job)),
        }
    }

    /// Queues a message that is no job. It may wait for a place; `false` if the thread has ended.
    pub(super) fn send(&self, message: Message) -> bool {
        // The token of another message may bring it sooner. Its own then finds nothing.
        self.waiting.lock().0.push_back(Section::Other(message));
        self.tokens.send(()).is_ok()
    }
}

impl Exit {
    /// The next message, if one is there or comes in time.
    pub(super) fn recv_timeout(&self, time: Duration) -> Result<Message, RecvTimeoutError> {
        loop {
            self.tokens()
                .ok_or(RecvTimeoutError::Disconnected)?
                .recv_timeout(time)?;
            if let Some(message) = self.waiting.lock().pop() {
                return Ok(message);
            }
        }
    }

    /// The next message, whenever it comes.
    pub(super) fn recv(&self) -> Result<Message, RecvError> {
        loop {
            self.tokens().ok_or(RecvError)?.recv()?;
            if let Some(message) = self.waiting.lock().pop() {
                return Ok(message);
            }
        }
    }

    /// The next message, if one is there.
    pub(super) fn try_recv(&self) -> Result<Message, TryRecvError> {
        loop {
            self.tokens()
                .ok_or(TryRecvError::Disconnected)?
                .try_recv()?;
            if let Some(message) = self.waiting.lock().pop() {
                return Ok(message);
            }
        }
    }

    const fn tokens(&self) -> Option<&Receiver<()>> {
        self.tokens.as_ref()
    }
}

impl Drop for Exit {
    fn drop(&mut self) {
        // From here on nothing more is queued.
        self.tokens = None;
        let left = std::mem::take(&mut *self.waiting.lock());
        // They are answered outside the lock.
        drop(left);
    }
}
