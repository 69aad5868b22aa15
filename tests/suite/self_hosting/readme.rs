//! The README, as somebody reads it who does what it says.

use gantz_tests::binaries;

/// What is under one heading, up to the next one.
pub(crate) struct Section(String);

impl Section {
    pub(crate) fn of(heading: &str) -> Self {
        let readme = std::fs::read_to_string(binaries::root().join("README.md")).unwrap();
        let mut inside = false;
        let mut is_fenced = false;
        let mut text = String::new();
        for line in readme.lines() {
            is_fenced ^= line.starts_with("```");
            if !is_fenced && line.starts_with('#') {
                inside = line.trim_start_matches('#').trim() == heading;
            } else if inside {
                text += line;
                text.push('\n');
            }
        }
        assert!(!text.is_empty(), "the README has no chapter {heading:?}");
        Self(text)
    }

    /// The blocks of this kind, in their order.
    pub(crate) fn blocks(&self, kind: &str) -> Vec<String> {
        let fence = format!("```{kind}\n");
        self.0.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
    }

    /// The commands, each a line.
    pub(crate) fn commands(&self) -> Vec<String> {
        let blocks = self.blocks("sh");
        assert!(!blocks.is_empty(), "no commands in {}", self.0);
        blocks.iter().flat_map(|block| block.lines().map(str::to_owned)).collect()
    }
}

#[test]
fn no_heading_is_followed_into_the_next() {
    let upgrade = Section::of("Upgrade");
    assert_eq!(upgrade.commands(), ["git pull", "docker compose up -d --build"]);
}
