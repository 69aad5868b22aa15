//! What is heard, of whom, and what is wrong, for people and for programs.

use std::path::Path;

use gantz_cli::{Layer, Place, Said, Setting, Table};
use gantz_shared::failure::Failure;
use serde_json::{Value, json};

use crate::cli::args::ServeArgs;
use crate::cli::settings;

/// See the module's head.
pub(super) struct Report<'a> {
    pub(super) args: &'a ServeArgs,
    pub(super) said: &'a Said,
    pub(super) state_dir: Option<&'a Path>,
    pub(super) is_running: bool,
    pub(super) wrong: &'a [Failure],
}

impl Report<'_> {
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(["SETTING", "VALUE", "FROM"]);
        for setting in self.settings() {
            let values = self.values(setting);
            let value = if values.is_empty() { "-".to_owned() } else { values.join(", ") };
            let layer = setting.layer.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string);
            table.row([setting.key.clone(), value, layer]);
        }
        let ports =
            if self.is_running { "\n  a relay runs with this state folder: its ports were not tried\n" } else { "" };
        let end = match self.wrong.len() {
            0 => "\n  nothing is wrong\n".to_owned(),
            1 => "\n  1 thing is wrong\n".to_owned(),
            count => format!("\n  {count} things are wrong\n"),
        };
        format!("{table}{ports}{end}")
    }

    pub(super) fn json(&self) -> String {
        let settings: Vec<Value> = self.settings().map(|setting| self.setting(setting)).collect();
        let wrong: Vec<Value> = self
            .wrong
            .iter()
            .map(|failure| {
                let (what, why, hint) = failure.parts();
                json!({ "what": what, "why": why, "try": hint })
            })
            .collect();
        let report = json!({
            "ok": wrong.is_empty(),
            "running": self.is_running,
            "settings": settings,
            "wrong": wrong,
        });
        format!("{report}\n")
    }

    /// Those of the relay; whether JSON is printed is none.
    fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.said.settings().iter().filter(|setting| setting.key != "json")
    }

    fn setting(&self, setting: &Setting) -> Value {
        let (from, file, line) = match &setting.layer {
            None => ("default", None, None),
            Some(Layer::Flag) => ("flag", None, None),
            Some(Layer::Environment) => ("environment", None, None),
            Some(Layer::File(Place { path, line, .. })) => ("file", Some(path.display().to_string()), Some(line)),
        };
        json!({ "key": setting.key, "values": self.values(setting), "from": from, "file": file, "line": line })
    }

    /// What was said; what follows from the rest, where nobody has said anything and there is no fixed default.
    fn values(&self, setting: &Setting) -> Vec<String> {
        if !setting.values.is_empty() || setting.layer.is_some() {
            return setting.values.clone();
        }
        let follows = match setting.key.as_str() {
            "state_dir" => self.state_dir.map(|dir| dir.display().to_string()),
            "audit_log" => {
                self.state_dir.map(|dir| dir.join("audit").join(gantz_audit::FILE_NAME).display().to_string())
            }
            "http_listen" => settings::http_listen(self.args).map(|address| address.to_string()),
            "max_tunnels_per_source" => Some(self.args.limits.limits(self.args.access).tunnels_per_source.to_string()),
            "take_over" => Some("false".to_owned()),
            _ => None,
        };
        follows.into_iter().collect()
    }
}
