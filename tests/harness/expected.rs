//! Failures that are expected: `expected_failures.tsv`, whose every line names where, which test, why, and a link.

use std::sync::LazyLock;

const TABLE: &str = include_str!("../expected_failures.tsv");

static EXPECTED: LazyLock<Result<Vec<Expected>, String>> = LazyLock::new(|| parse(TABLE));

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Pieces of an implementation's name, all of which it has.
    places: Vec<String>,
    test: String,
    pub reason: String,
    pub link: String,
}

impl Expected {
    pub fn covers(&self, test: &str, implementation: &str) -> bool {
        self.test == test && self.places.iter().all(|place| implementation.contains(place.as_str()))
    }
}

pub fn table() -> &'static [Expected] {
    EXPECTED.as_deref().unwrap_or_else(|error| panic!("expected_failures.tsv: {error}"))
}

/// The lines but for comments, which begin with `#`.
pub fn parse(table: &str) -> Result<Vec<Expected>, String> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| parse_line(line).ok_or_else(|| format!("not a line of four columns: {line}"))).collect()
}

fn parse_line(line: &str) -> Option<Expected> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [places, test, reason, link] = columns[..] else { return None };
    let is_whole = ![places, test, reason].contains(&"") && link.starts_with("https://");
    is_whole.then(|| Expected {
        places: places.split(", ").map(str::to_owned).collect(),
        test: test.to_owned(),
        reason: reason.to_owned(),
        link: link.to_owned(),
    })
}

#[test]
fn the_table_of_expected_failures_is_whole() {
    assert!(parse(TABLE).is_ok(), "{:?}", parse(TABLE));
}

#[test]
fn a_line_names_place_test_reason_and_link() {
    let table = "# a comment\n\nAda, scan\tsuite::a::b\trounds wrong\thttps://example.org/1\n";
    let [expected] = &parse(table).unwrap()[..] else { panic!("{:?}", parse(table)) };
    assert!(expected.covers("suite::a::b", "gpu: Ada (vulkan), 5.0, scan, its limits"));
    assert!(!expected.covers("suite::a::b", "gpu: Ada (vulkan), 5.0, step, its limits"));
    assert!(!expected.covers("suite::a::c", "gpu: Ada (vulkan), 5.0, scan, its limits"));
    for broken in ["Ada\tsuite::a::b\trounds wrong", "Ada\tsuite::a::b\t\thttps://example.org", "a\tb\tc\td"]
    {
        assert!(parse(broken).is_err(), "{broken}");
    }
}
