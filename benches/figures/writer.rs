//! A client of one state, whose lock it holds: its requests, and whether the server has kept what
//! it acknowledged.

use serde_json::{Value, json};

use crate::Res;
use crate::process::Server;
use crate::states::Series;
use crate::wire::{Connection, Hashing, Request};

/// A client of one state.
pub(crate) struct Writer {
    path: String,
    secret: String,
    lock_id: String,
    series: Series,
    written: u64,
}

impl Writer {
    /// A client of a state of the usual size, who has written nothing yet.
    pub(crate) fn new(secret: &str, block: &str, seed: u64) -> Res<Self> {
        Ok(Self::of(secret, block, Series::new(seed)?))
    }

    /// The same, of a state with so many resources.
    pub(crate) fn with_resources(
        secret: &str,
        block: &str,
        seed: u64,
        resources: usize,
    ) -> Res<Self> {
        Ok(Self::of(
            secret,
            block,
            Series::with_resources(seed, resources)?,
        ))
    }

    fn of(secret: &str, block: &str, series: Series) -> Self {
        let path = format!("/api/terraform/state/workspace/bench/buildingblock/{block}");
        Self {
            path,
            secret: secret.to_owned(),
            lock_id: format!("lock-{block}"),
            series,
            written: 0,
        }
    }

    /// The state as it is.
    pub(crate) fn state(&self) -> &[u8] {
        self.series.bytes()
    }

    pub(crate) fn read(&self) -> Request {
        Request::get(&self.path, &self.secret)
    }

    pub(crate) fn lock(&self) -> Request {
        let lock = json!({
            "ID": self.lock_id, "Operation": "OperationTypeApply", "Info": "",
            "Who": "bench@figures", "Version": "1.11.4",
            "Created": "2026-01-01T00:00:00Z", "Path": "",
        });
        Request::post(
            &format!("{}/lock", self.path),
            &self.secret,
            lock.to_string().into_bytes(),
        )
    }

    /// A write of the next version.
    pub(crate) fn next(&mut self, hashing: Hashing) -> Request {
        self.series.next();
        self.written += 1;
        let path = format!("{}?ID={}", self.path, self.lock_id);
        Request::new("POST", &path, &self.secret, self.state().to_vec(), hashing)
    }

    /// Compares the state's newest version with what was acknowledged.
    fn verify(&self, connection: &mut Connection) -> Res<()> {
        let newest = Request::get(&format!("{}/versions?limit=1", self.path), &self.secret);
        let answer: Value = serde_json::from_slice(connection.exchange(&newest)?)?;
        let number = answer.pointer("/versions/0/number").and_then(Value::as_u64);
        if number != Some(self.written) {
            return Err(format!(
                "{}: {} writes were acknowledged, and the newest version is {number:?}",
                self.path, self.written
            )
            .into());
        }
        if connection.exchange(&self.read())? != self.state() {
            return Err(
                format!("{}: what was read is not what was written last", self.path).into(),
            );
        }
        Ok(())
    }
}

/// So many clients, each with its lock.
pub(crate) fn writers(server: &Server, clients: usize) -> Res<Vec<Writer>> {
    let mut connection = server.connect()?;
    (0..clients)
        .map(|index| {
            let seed = u64::try_from(1_000 * clients + index)?;
            let writer = Writer::new(&server.secret, &format!("of-{clients}-{index}"), seed)?;
            connection.exchange(&writer.lock())?;
            Ok(writer)
        })
        .collect()
}

/// The next requests of each client, about `total` of them for all.
pub(crate) fn requests(
    writers: &mut [Writer],
    total: usize,
    hashing: Hashing,
) -> Vec<Vec<Request>> {
    let each = total.div_ceil(writers.len());
    writers
        .iter_mut()
        .map(|writer| (0..each).map(|_| writer.next(hashing)).collect())
        .collect()
}

/// Each state's newest version has to be the number of writes that were acknowledged.
pub(crate) fn verify(server: &Server, writers: &[Writer]) -> Res<()> {
    let mut connection = server.connect()?;
    writers
        .iter()
        .try_for_each(|writer| writer.verify(&mut connection))
}
