//! No circle of files: of two that use each other, neither can be read alone.

use std::collections::VecDeque;

use super::imports::Crate;
use super::open::Open;

/// Files that can be reached from themselves, each circle once.
pub(super) fn circles(files: &Crate<'_>, open: &Open) -> Vec<String> {
    let (uses, count) = (&files.imports, files.files.len());
    let ways: Vec<Vec<Option<usize>>> = (0..count).map(|start| ways(uses, start)).collect();
    let mut findings = Vec::new();
    for start in 0..count {
        let together =
            |other: &usize| ways[start][*other].is_some() && ways[*other][start].is_some();
        let circle: Vec<usize> = (0..count).filter(together).collect();
        let is_open = circle
            .iter()
            .any(|member| open.circles.contains(&files.modules[*member][0]));
        if circle.first() == Some(&start) && !is_open {
            findings.push(finding(
                files,
                &uses[start],
                &ways[start],
                (start, circle.len()),
            ));
        }
    }
    findings
}

/// From where each file is reached first; the start is none of them unless something leads back.
fn ways(uses: &[Vec<(usize, usize)>], start: usize) -> Vec<Option<usize>> {
    let (mut ways, mut queue) = (vec![None; uses.len()], VecDeque::from([start]));
    while let Some(from) = queue.pop_front() {
        for (_, to) in &uses[from] {
            if ways[*to].is_none() {
                ways[*to] = Some(from);
                queue.push_back(*to);
            }
        }
    }
    ways
}

/// The shortest way back to the first file of a circle, at the line where it begins.
fn finding(
    files: &Crate<'_>,
    uses: &[(usize, usize)],
    ways: &[Option<usize>],
    (start, count): (usize, usize),
) -> String {
    let (mut path, mut at) = (vec![start], start);
    while let Some(from) = ways[at].filter(|from| *from != start) {
        path.push(from);
        at = from;
    }
    path.push(start);
    path.reverse();
    let first = uses.iter().find(|(_, to)| *to == path[1]);
    let names: Vec<String> = path
        .iter()
        .map(|one| files.modules[*one].join("::"))
        .collect();
    files.files[start].finding(
        first.map_or(0, |(at, _)| *at),
        &format!(
            "a circle of {count} files: {}; move what both need to a file that knows neither",
            names.join(" -> ")
        ),
    )
}
