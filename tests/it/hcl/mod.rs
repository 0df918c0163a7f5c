//! What `detect` finds beside what `HashiCorp`'s own library says: the same blocks in the same
//! places, and undecided only where that library fails as well.
//!
//! The library is asked through a small program in `tests/hcl_oracle`, so these tests need Go and
//! its module. Each case can be made again from its number.

mod grammar;
mod oracle;
mod places;
mod words;

use statekeep::hcl::{Answer, Ask, judge, of_map};

use grammar::Maker;
use oracle::{Oracle, Verdict};

/// At most so many differences are told.
const MAX_TOLD: usize = 10;

/// What is found in a module of one file, in the oracle's words.
fn found(text: &str) -> Verdict {
    let sources = of_map(vec![("main.tf".to_owned(), text.to_owned())]).expect("one file");
    let detection = judge(sources, Ask::default());
    if detection.answer == Answer::Undecided {
        return Verdict::Undecided(format!("{:?}", detection.undecided));
    }
    Verdict::Found(
        detection
            .found
            .iter()
            .map(|one| {
                (
                    one.kind.name().to_owned(),
                    one.label.clone(),
                    one.line,
                    one.column,
                )
            })
            .collect(),
    )
}

/// Compares all of these; how many there were, and how many of them parse.
fn compare(oracle: &mut Oracle, cases: impl Iterator<Item = String>) -> (usize, usize) {
    let (mut all, mut parsing, mut differences) = (0, 0, Vec::new());
    oracle.ask_all(cases, |text, answer| {
        all += 1;
        parsing += usize::from(answer.parses);
        let (expected, ours) = (answer.verdict(), found(text));
        if !expected.is_like(&ours) && differences.len() < MAX_TOLD {
            differences.push(format!(
                "{text:?}\n  expected {expected:?}\n  found    {ours:?}"
            ));
        }
    });
    assert!(
        differences.is_empty(),
        "of {all}, first differences:\n{}",
        differences.join("\n")
    );
    (all, parsing)
}

/// Modules by the grammar, each whole and with breaks in it.
fn modules(numbers: std::ops::Range<u64>) {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let count = usize::try_from(numbers.end - numbers.start).expect("a number");
    let (all, parsing) = compare(
        &mut oracle,
        numbers.clone().map(|number| Maker::new(number).module()),
    );
    assert_eq!(all, count);
    assert!(
        parsing * 10 > all * 9,
        "the grammar makes modules that parse: {parsing} of {all}"
    );
    let (all, parsing) = compare(
        &mut oracle,
        numbers.map(|number| Maker::new(number).broken_module()),
    );
    assert_eq!(all, count);
    assert!(
        parsing * 20 > all && parsing * 10 < all * 9,
        "of broken ones some parse: {parsing} of {all}"
    );
}

#[test]
fn modules_are_read_as_the_library_reads_them() {
    modules(0..1_000);
}

#[test]
#[ignore = "a minute"]
fn tens_of_thousands_of_modules_are_read_as_the_library_reads_them() {
    modules(1_000..41_000);
}

#[test]
fn lines_may_end_where_the_library_lets_them() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let (all, parsing) = compare(&mut oracle, places::with_each(&["\n"]));
    assert!(all > 10_000 && parsing > 2_000, "{parsing} of {all}");
    compare(&mut oracle, places::whole());
}

#[test]
#[ignore = "a minute"]
fn every_break_in_every_place_is_read_as_the_library_reads_it() {
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    compare(&mut oracle, places::with_each(&places::BREAKS));
    compare(&mut oracle, places::without_each());
}
