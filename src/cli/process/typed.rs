//! A secret that a person types: the terminal does not show it, and shows again what is typed
//! afterwards, however the question ends.

use std::io::{self, Read as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::output::{self, CliError};
use crate::model::secret::Secret;

/// The longest secret that is taken, in bytes.
const MAX_TYPED: usize = 1024;
/// What the keys for the end of a text, for giving up, and for taking back send.
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const BACKSPACES: [u8; 2] = [8, 127];

/// A terminal that shows nothing and sends each key at once. The keys that send a signal are keys
/// like others, so that nobody leaves before the terminal is as it was.
struct Silent(Termios);

impl Silent {
    fn begin() -> io::Result<Self> {
        let usual = tcgetattr(io::stdin())?;
        let mut silent = usual.clone();
        let shown = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.local_modes.remove(shown);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(usual))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Of a terminal that has hung up nothing is wanted.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Asks for a secret on the terminal.
pub(in crate::cli) fn secret(question: &str) -> Result<Secret, CliError> {
    let typed = {
        let _silent = Silent::begin()?;
        output::prompt(question);
        let typed = line();
        output::message("");
        typed
    };
    match typed? {
        Some(text) => Ok(Secret::new(text)),
        None => Err(CliError::Failed("nothing was done".to_owned())),
    }
}

/// What is typed until the end of the line; none if the person gives up.
fn line() -> Result<Option<String>, CliError> {
    // It never grows, so no copy is left behind.
    let mut typed = String::with_capacity(MAX_TYPED);
    for byte in io::stdin().lock().bytes() {
        match byte? {
            b'\n' | b'\r' | CTRL_D => return Ok(Some(typed)),
            CTRL_C => return Ok(None),
            CTRL_U => typed.clear(),
            byte if BACKSPACES.contains(&byte) => drop(typed.pop()),
            byte if byte.is_ascii_graphic() && typed.len() < MAX_TYPED => {
                typed.push(char::from(byte));
            }
            // No secret has such a letter; that one is missing is seen by its checksum.
            _ => {}
        }
    }
    Ok(None)
}
