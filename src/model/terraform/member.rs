//! Which member of an object a name means, as the programs that write states see it: Go's decoder
//! takes a member in any letter case, and the last of several counts.
//!
//! A reader with other rules than the client's would tell of another state than the client has.

/// Whether Go reads a member of this name as the one that is called `name`, which is in lower case.
pub fn is_member(member: &str, name: &str) -> bool {
    if member == name {
        return true;
    }
    if member.is_ascii() {
        member.eq_ignore_ascii_case(name)
    } else {
        member.chars().map(folded).eq(name.chars())
    }
}

/// A letter in the case that names are in. Two letters beyond ASCII are other cases of one in it.
const fn folded(letter: char) -> char {
    match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_says_nothing_and_all_else_does() {
        for (member, name) in [
            ("serial", "serial"),
            ("Serial", "serial"),
            ("SERIAL", "serial"),
            ("ſeRial", "serial"),
            ("index_\u{212a}ey", "index_key"),
        ] {
            assert!(is_member(member, name), "{member}");
        }
        for member in ["serial ", "seria", "serials", "", "sérial", "serıal"] {
            assert!(!is_member(member, "serial"), "{member}");
        }
    }
}
