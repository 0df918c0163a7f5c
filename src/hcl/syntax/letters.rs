//! Which letters a name may have: those of Unicode's `ID_Start` and `ID_Continue`, an underscore,
//! and behind the first one a hyphen.
//!
//! The crate knows the sets that are closed under normalisation; what those leave out is listed
//! here. Programs that were built with an older Unicode know fewer letters, and refuse a file with
//! newer ones themselves.

/// Begins a name, though not under normalisation.
const ONLY_START: [std::ops::RangeInclusive<char>; 3] = [
    '\u{e33}'..='\u{e33}',
    '\u{eb3}'..='\u{eb3}',
    '\u{ff9e}'..='\u{ff9f}',
];
/// Belongs to a name anywhere, though not under normalisation.
const ANYWHERE: [std::ops::RangeInclusive<char>; 5] = [
    '\u{37a}'..='\u{37a}',
    '\u{309b}'..='\u{309c}',
    '\u{fc5e}'..='\u{fc63}',
    '\u{fdfa}'..='\u{fdfb}',
    '\u{fe70}'..='\u{fe7e}',
];

/// Whether a name may begin with this.
pub(super) fn starts_a_name(letter: char) -> bool {
    letter == '_'
        || unicode_ident::is_xid_start(letter)
        || is_anywhere(letter)
        || ONLY_START.iter().any(|range| range.contains(&letter))
}

/// Whether a name may go on with this.
pub(super) fn continues_a_name(letter: char) -> bool {
    letter == '-' || unicode_ident::is_xid_continue(letter) || is_anywhere(letter)
}

fn is_anywhere(letter: char) -> bool {
    // Between U+FE70 and U+FE7E every second one is of either kind, and U+FE75 is none.
    ANYWHERE.iter().any(|range| range.contains(&letter))
        && letter != '\u{fe75}'
        && (letter < '\u{fe70}' || u32::from(letter) % 2 == 0)
}
