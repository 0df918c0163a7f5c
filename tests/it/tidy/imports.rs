//! Which file uses which: the paths that a file names outside of its tests, and the files that
//! they lead to.
//!
//! A file is a module, `mod.rs` too. The roots of crates (`lib.rs`, `main.rs`) introduce and are no
//! part of this.

use std::collections::BTreeMap;

use super::matching::{File, identifier, is_part_of_a_word, is_rust};

/// Where a path stands in the code, and its names from left to right.
type Path<'a> = (usize, Vec<&'a str>);

/// The files of one crate, and what they use of each other.
pub(super) struct Crate<'a> {
    pub(super) files: Vec<&'a File>,
    /// The path of each file's module from the root of the crate.
    pub(super) modules: Vec<Vec<&'a str>>,
    /// What each file uses: where in its code, and the index of the other file.
    pub(super) imports: Vec<Vec<(usize, usize)>>,
    index: BTreeMap<Vec<&'a str>, usize>,
}

impl<'a> Crate<'a> {
    /// The crate whose root is in this folder.
    pub(super) fn below(root: &str, tree: &'a [File]) -> Self {
        let is_code = |file: &&File| {
            is_rust(&file.path) && file.is_in(&[root]) && !file.path.ends_with("tests.rs")
        };
        let files = tree.iter().filter(is_code);
        let (files, modules): (Vec<_>, Vec<_>) = files
            .map(|file| (file, module(&file.path[root.len()..])))
            .filter(|(_, module)| !matches!(module[..], ["lib" | "main"]))
            .unzip();
        let index = modules.iter().cloned().zip(0..).collect();
        let mut all = Self {
            files,
            modules,
            imports: Vec::new(),
            index,
        };
        all.imports = (0..all.files.len()).map(|file| all.uses(file)).collect();
        all
    }

    fn uses(&self, index: usize) -> Vec<(usize, usize)> {
        let (uses, paths) = paths(&self.files[index].shipped);
        let names: Vec<(&str, usize)> = uses
            .iter()
            .filter_map(|(name, path)| Some((*name, self.module_of(index, path)?)))
            .collect();
        paths
            .iter()
            .filter_map(|(at, path)| Some((*at, self.resolve(index, path, &names)?)))
            .filter(|(_, to)| *to != index)
            .collect()
    }

    /// The file that a path leads to: the deepest module that it names.
    fn resolve(&self, index: usize, path: &[&str], names: &[(&str, usize)]) -> Option<usize> {
        let absolute = self.absolute(index, path, names)?;
        let mut depths = (1..=absolute.len()).rev();
        depths.find_map(|depth| self.find(&absolute[..depth]))
    }

    /// The file of a module that a path names exactly.
    fn module_of(&self, index: usize, path: &[&str]) -> Option<usize> {
        self.find(&self.absolute(index, path, &[])?)
    }

    fn find(&self, module: &[&str]) -> Option<usize> {
        self.index.get(module).copied()
    }

    /// A path from the root of the crate; none where it leads out of it.
    fn absolute<'b>(
        &'b self,
        index: usize,
        path: &[&'b str],
        names: &[(&str, usize)],
    ) -> Option<Vec<&'b str>> {
        let here = &self.modules[index];
        let child = |name| here.iter().copied().chain([name]).collect::<Vec<_>>();
        let (first, rest) = path.split_first()?;
        let (base, rest) = match *first {
            "crate" => (Vec::new(), rest),
            "self" => (here.clone(), rest),
            "super" => {
                let steps = path.iter().take_while(|name| **name == "super").count();
                (
                    here[..here.len().checked_sub(steps)?].to_vec(),
                    &path[steps..],
                )
            }
            name if self.find(&child(name)).is_some() => (child(name), rest),
            name => {
                let (_, module) = names.iter().find(|(known, _)| *known == name)?;
                (self.modules[*module].clone(), rest)
            }
        };
        Some([base, rest.to_vec()].concat())
    }
}

/// `domain/history/mod.rs` and `domain/history.rs` are the module `domain::history`.
fn module(path: &str) -> Vec<&str> {
    let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').collect()
}

/// The names that `use` brings with their paths, and every path of at least two names.
fn paths(code: &str) -> (Vec<(&str, Vec<&str>)>, Vec<Path<'_>>) {
    let (mut uses, mut found, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(start) = code[at..].find(is_part_of_a_word).map(|next| at + next) {
        let word = identifier(&code[start..]);
        let before = &code[..start];
        let (is_use, mut tree) = (word == "use", Vec::new());
        let from = if is_use { start + word.len() } else { start };
        at = read_tree(code, from, &[], &mut tree).max(start + word.len());
        if before.ends_with(['$', '.', ':']) || before.ends_with("pub(in ") {
            continue;
        }
        if is_use {
            let named = tree.iter().cloned();
            uses.extend(named.filter_map(|(_, path)| Some((*path.last()?, path))));
        }
        found.extend(
            tree.into_iter()
                .filter(|(_, path)| is_use || path.len() > 1),
        );
    }
    (uses, found)
}

/// Reads `a::{b::c, d}` from here on, and says where it ends.
fn read_tree<'a>(code: &'a str, at: usize, before: &[&'a str], found: &mut Vec<Path<'a>>) -> usize {
    let mut at = skip_space(code, at);
    if code[at..].starts_with('{') {
        return read_list(code, at + 1, before, found);
    }
    let (start, mut path) = (at, before.to_vec());
    loop {
        let name = identifier(&code[at..]);
        if name.is_empty() {
            break;
        }
        path.push(name);
        at += name.len();
        let next = skip_space(code, at);
        if !code[next..].starts_with("::") {
            break;
        }
        at = skip_space(code, next + 2);
        if code[at..].starts_with('{') {
            return read_list(code, at + 1, &path, found);
        }
    }
    found.push((start, path));
    at
}

/// Reads the rest of a list in braces.
fn read_list<'a>(
    code: &'a str,
    mut at: usize,
    before: &[&'a str],
    found: &mut Vec<Path<'a>>,
) -> usize {
    loop {
        at = read_tree(code, at, before, found);
        let Some(end) = code[at..].find([',', '}']) else {
            return code.len();
        };
        at += end + 1;
        if code[..at].ends_with('}') || code[skip_space(code, at)..].starts_with('}') {
            return skip_space(code, at);
        }
    }
}

fn skip_space(code: &str, at: usize) -> usize {
    code.len() - code[at..].trim_start().len()
}
