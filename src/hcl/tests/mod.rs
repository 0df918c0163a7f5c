//! Tricky sources, one after the other, and texts that are none.

mod json;
mod module;
mod native;
mod properties;

use super::*;

fn look(files: &[(&str, &str)], program: Option<Program>, include_json: bool) -> Detection {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    judge(
        of_map(files).expect("good names"),
        Ask {
            program,
            include_json,
        },
    )
}

/// The answer in short: `backend http 2:3`, `none`, or `? 2`.
fn short(detection: &Detection) -> String {
    match detection.answer {
        Answer::None => "none".to_owned(),
        Answer::Undecided => format!("? {}", detection.undecided[0].line.unwrap_or(0)),
        Answer::Configured => {
            let one = |found: &FoundBlock| {
                let label = found
                    .label
                    .as_ref()
                    .map(|label| format!(" {label}"))
                    .unwrap_or_default();
                format!(
                    "{}{label} {}:{}",
                    found.kind.name(),
                    found.line,
                    found.column
                )
            };
            detection
                .found
                .iter()
                .map(one)
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

#[track_caller]
fn rows(file: &str, rows: &[(&str, &str)]) {
    let answers: Vec<(&str, String)> = rows
        .iter()
        .map(|(text, _)| (*text, short(&look(&[(file, text)], None, true))))
        .collect();
    let expected: Vec<(&str, String)> = rows
        .iter()
        .map(|(text, answer)| (*text, (*answer).to_owned()))
        .collect();
    assert_eq!(answers, expected);
}
