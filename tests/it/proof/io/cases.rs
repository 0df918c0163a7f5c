//! Which call fails how, when, and what has to come of it.

/// What the server is at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Within {
    Serving,
    Compaction,
    Recovery,
}

/// What has to become of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// It leaves with an error, since nobody knows what the disk holds.
    Ends,
    /// It goes on without writing, and writes again once it can.
    Stays,
    /// It may do either.
    Either,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) call: &'static str,
    pub(super) error: &'static str,
    /// The n-th call of a thread.
    pub(super) n: u64,
    /// Whether all later calls fail as well.
    pub(super) lasts: bool,
    pub(super) within: Within,
}

/// Which calls fail how.
const FAULTS: [(&str, &str); 13] = [
    ("pwrite64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EDQUOT"),
    ("pwrite64", "EFBIG"),
    ("fdatasync", "EIO"),
    ("fdatasync", "ENOSPC"),
    ("fdatasync", "EDQUOT"),
    ("fsync", "EIO"),
    ("ftruncate", "EIO"),
    ("ftruncate", "ENOSPC"),
    ("openat", "EIO"),
    ("pread64", "EIO"),
    ("unlink", "EIO"),
];

const WITHIN: [Within; 3] = [Within::Serving, Within::Recovery, Within::Compaction];

impl Case {
    pub(super) fn fate(&self) -> Fate {
        match (self.call, self.error) {
            ("pwrite64" | "fdatasync", "EIO") => Fate::Ends,
            ("pwrite64", "ENOSPC" | "EDQUOT" | "EFBIG") => Fate::Stays,
            _ => Fate::Either,
        }
    }
}

/// A write that fails from the n-th on.
pub(super) fn failing_write(n: u64) -> Case {
    let (call, error, lasts) = ("pwrite64", "EIO", true);
    Case {
        call,
        error,
        n,
        lasts,
        within: Within::Serving,
    }
}

/// So many of all cases with an n up to some number, spread evenly over them.
pub(super) fn sample(up_to: u64, count: u64) -> Vec<Case> {
    let mut all = Vec::new();
    for n in 1..=up_to {
        for within in WITHIN {
            for lasts in [false, true] {
                let faults = FAULTS.iter();
                all.extend(faults.map(|&(call, error)| Case {
                    call,
                    error,
                    n,
                    lasts,
                    within,
                }));
            }
        }
    }
    let (length, count) = (all.len(), usize::try_from(count).expect("a number"));
    if count >= length {
        return all;
    }
    // A step that shares no factor with the length comes by every combination before any of them
    // comes again.
    let is_coprime =
        |step: &usize| (2..=*step).all(|by| !step.is_multiple_of(by) || !length.is_multiple_of(by));
    let step = (length / count..=length + 1)
        .find(is_coprime)
        .expect("some prime");
    (0..count).map(|index| all[index * step % length]).collect()
}

#[test]
fn a_sample_has_each_fault_each_n_and_each_situation() {
    let sample = sample(40, 200);
    assert_eq!(sample.len(), 200);
    for (call, error) in FAULTS {
        for within in WITHIN {
            let mut fits = sample
                .iter()
                .filter(|case| (case.call, case.error) == (call, error));
            assert!(
                fits.any(|case| case.within == within),
                "{call} {error} {within:?}"
            );
        }
    }
    assert!((1..=40).all(|n| sample.iter().any(|case| case.n == n)));
}
