//! What `GET /metrics` says, in one of two forms: OpenMetrics, which the library writes, to who asks for it, and the older
//! text format of Prometheus to everybody else.

use std::fmt::Write;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// How it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format 0.0.4, which tools such as `promtool check metrics` read.
    Text,
}

impl Form {
    /// What an `Accept` field asks for; none asks for nothing.
    pub(crate) fn asked(accept: Option<&str>) -> Self {
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// For `Content-Type`.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Everything in `registry`, as it is now.
    pub(crate) fn write(self, registry: &Registry) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, registry)?;
        match self {
            Self::OpenMetrics => Ok(text),
            Self::Text => older(&text),
        }
    }
}

/// The same in the older format. Lines of samples are the same in both; a family has the whole name of its samples, and
/// there are fewer types.
fn older(text: &str) -> Result<String, std::fmt::Error> {
    let mut older = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            // It stands before the type, which says how it is called.
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(help) = help.take() {
                writeln!(older, "# HELP {name}{suffix} {help}")?;
            }
            writeln!(older, "# TYPE {name}{suffix} {kind}")?;
        } else if !line.starts_with('#') {
            writeln!(older, "{line}")?;
        }
    }
    Ok(older)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        assert_eq!(Form::asked(Some(prometheus)), Form::OpenMetrics);
        assert_eq!(Form::asked(Some("*/*")), Form::Text);
        assert_eq!(Form::asked(None), Form::Text);
    }

    #[test]
    fn families_are_called_as_their_samples() {
        let openmetrics = "# HELP a A thing.\n# TYPE a counter\na_total{x=\"1\"} 2\n# HELP b B.\n# TYPE b info\n\
                           b_info{v=\"1\"} 1\n# HELP c C.\n# TYPE c unknown\n# UNIT c seconds\nc 1.0\n# EOF\n";
        let text = "# HELP a_total A thing.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n# HELP b_info B.\n\
                    # TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP c C.\n# TYPE c untyped\nc 1.0\n";
        assert_eq!(older(openmetrics).unwrap(), text);
    }
}
