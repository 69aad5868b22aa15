//! A value of a file, by its flag's own parser.

use std::any::TypeId;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use gantz_shared::failure::{Exit, Failure};

use crate::logs::level;
use crate::said::Place;

/// What a switch takes of people who write it down.
const YES_OR_NO: &str = "it is neither true nor false; true or false";

/// The value as the command gets it.
pub(super) fn value(arg: &Arg, text: &str, place: &Place) -> Result<OsString, Failure> {
    let key = arg.get_id();
    parsed(arg, text).map_err(|words| {
        let what = format!("{}, line {}: the value of `{key}` cannot be used", place.path.display(), place.line);
        Failure::new(Exit::Usage, what).words(&words)
    })?;
    // A path is meant from where it is written; `none` is no path.
    match place.path.parent() {
        Some(folder) if is_path(arg) && text != "none" => Ok(folder.join(Path::new(text)).into()),
        _ => Ok(text.into()),
    }
}

/// Whether the flag would take it; what is wrong, otherwise, and behind a semicolon what would be right. Where it may be a
/// secret that went astray, it is not repeated.
pub(super) fn parsed(arg: &Arg, text: &str) -> Result<(), String> {
    if matches!(arg.get_action(), ArgAction::Count) {
        let number = text.parse::<u8>().map_err(|_| "it is not a number; 0, 1 or 2")?;
        return level(number).map(drop);
    }
    let parser = arg.get_value_parser();
    let mut alone = Arg::new("value").value_parser(parser.clone()).allow_hyphen_values(true).num_args(1..);
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let alone = Command::new("value").no_binary_name(true).arg(alone);
    let Err(error) = alone.try_get_matches_from(["--", text]) else { return Ok(()) };
    if parser.type_id() == TypeId::of::<bool>() {
        return Err(YES_OR_NO.to_owned());
    }
    let values = parser.possible_values().into_iter().flatten().filter(|value| !value.is_hide_set());
    let values: Vec<String> = values.map(|value: PossibleValue| value.get_name().to_owned()).collect();
    Err(match error.source() {
        Some(words) if error.kind() == ErrorKind::ValueValidation => words.to_string(),
        _ if values.is_empty() => "it is of another kind".to_owned(),
        _ => format!("it is not one of the values that this key takes; one of {}", values.join(", ")),
    })
}

/// Whether a flag is repeated, or has several values with a comma between them.
pub(super) fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Files may be called anything.
pub(super) fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}
