//! Faults made on purpose: crashes, failing disks, full disks, damaged bytes. What was acknowledged
//! is there afterwards.

mod again;
mod clock;
mod crashes;
mod crowds;
mod damage;
mod first_starts;
mod full_disk;
mod io_errors;
mod loss;
mod no_room;
mod put_back;
mod replaced;
mod rewriting;
mod rollbacks;
mod rows;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::harness::{Client, state_path, tfstate_noted};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// What was sent to one state, and how much of it was acknowledged.
#[derive(Clone, Copy, Default, Debug)]
struct Written {
    acknowledged: u64,
    sent: u64,
}

/// Writers that write rising serials, each to a state of its own, until they are told to stop or
/// the server is gone.
struct Writers {
    stop: Arc<AtomicBool>,
    written: Arc<Mutex<BTreeMap<String, Written>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// The state that a writer sends as its `serial`-th.
fn body(name: &str, serial: u64) -> String {
    tfstate_noted(L1, serial, &format!("{name} {serial}"))
}

impl Writers {
    fn start(
        caller: &Client,
        written: &Arc<Mutex<BTreeMap<String, Written>>>,
        count: usize,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count)
            .map(|index| {
                let (caller, stop, written) = (caller.clone(), stop.clone(), written.clone());
                std::thread::spawn(move || {
                    write_on(&caller, &format!("team/n{index}"), &stop, &written);
                })
            })
            .collect();
        Self {
            stop,
            written: written.clone(),
            threads,
        }
    }

    fn acknowledged(&self) -> u64 {
        self.written
            .lock()
            .expect("the list")
            .values()
            .map(|written| written.acknowledged)
            .sum()
    }

    fn join(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("a writer");
        }
    }
}

fn write_on(
    caller: &Client,
    name: &str,
    stop: &AtomicBool,
    written: &Mutex<BTreeMap<String, Written>>,
) {
    while !stop.load(Ordering::SeqCst) {
        let serial = {
            let mut written = written.lock().expect("the list");
            let mine = written.entry(name.to_owned()).or_default();
            mine.sent = mine.sent.max(mine.acknowledged) + 1;
            mine.sent
        };
        let sent = caller
            .request("POST", &format!("{}?force=true", state_path(name)))
            .body(body(name, serial))
            .send();
        // An answer that breaks off is none.
        match sent.and_then(|answer| Ok((answer.status().as_u16(), answer.bytes()?))) {
            Ok((200, _)) => {
                written
                    .lock()
                    .expect("the list")
                    .get_mut(name)
                    .expect("entered above")
                    .acknowledged = serial;
            }
            Ok((status, text)) if status < 500 => {
                panic!("{status}: {}", String::from_utf8_lossy(&text))
            }
            _ => return,
        }
    }
}

/// Checks that all that was acknowledged is there, nothing that was never sent, and every version
/// in its exact bytes.
#[track_caller]
fn check(caller: &Client, written: &Mutex<BTreeMap<String, Written>>) {
    for (name, mine) in written.lock().expect("the list").iter() {
        // The server may have ended before the first write was there.
        if mine.acknowledged == 0 && caller.count_versions(name) == 0 {
            continue;
        }
        let versions = caller.versions(name);
        let serials: Vec<u64> = versions
            .iter()
            .filter_map(|version| version["serial"].as_u64())
            .collect();
        assert!(
            serials[0] >= mine.acknowledged,
            "{name}: {mine:?}, but the newest is {}",
            serials[0]
        );
        assert!(
            serials[0] <= mine.sent,
            "{name}: {mine:?}, but there is {}",
            serials[0]
        );
        assert!(
            serials.windows(2).all(|pair| pair[0] > pair[1]),
            "{name}: {serials:?}"
        );
        for version in versions.iter().step_by(versions.len().div_ceil(20)) {
            let (number, serial) = (
                version["number"].as_u64().expect("a number"),
                version["serial"].as_u64().expect("a serial"),
            );
            let bytes = caller
                .get(&format!("{}/versions/{number}", state_path(name)))
                .expect_status(200)
                .text();
            assert_eq!(bytes, body(name, serial), "{name} {number}");
        }
        assert_eq!(
            caller.read(name).expect_status(200).text(),
            body(name, serials[0])
        );
    }
}
