//! Two runs beside each other: what became better, what became worse.

use std::{fmt::Write as _, fs, io::Write, path::Path};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{
    charts::{escaped, number},
    html,
};
use crate::figures::ratio;

/// Within this factor of each other two figures are told as equal: a machine's own noise.
const EQUAL_WITHIN: f64 = 1.1;

/// One figure of both runs.
struct Row {
    name: String,
    unit: &'static str,
    a: f64,
    b: f64,
    /// Whether less is better.
    less: bool,
}

impl Row {
    fn verdict(&self) -> &'static str {
        let times = ratio(self.b, self.a);
        match () {
            () if self.a <= 0.0 || self.b <= 0.0 => "",
            () if 1.0 / EQUAL_WITHIN < times && times < EQUAL_WITHIN => "equal",
            () if (times < 1.0) == self.less => "better",
            () => "worse",
        }
    }
}

/// Compares the reports of two runs; writes a table to `out`, and a page where one is asked for.
pub fn compare(
    (a, b): (&Path, &Path),
    page: Option<&Path>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (run_a, run_b) = (read(a)?, read(b)?);
    let rows = rows(&run_a, &run_b);
    let names = [a, b].map(|path| path.display().to_string());
    writeln!(
        out,
        "a: {} ({})\nb: {} ({})\n",
        names[0],
        scenario(&run_a),
        names[1],
        scenario(&run_b)
    )?;
    writeln!(out, "{:<38} {:>12} {:>12} {:>8}", "", "a", "b", "b ÷ a")?;
    for row in &rows {
        let name = format!("{}, {}", row.name, row.unit);
        let (a, b, times) = (number(row.a), number(row.b), ratio(row.b, row.a));
        writeln!(out, "{name:<38} {a:>12} {b:>12} {times:>8.2} {}", row.verdict())?;
    }
    if scenario(&run_a) != scenario(&run_b) {
        writeln!(out, "\nThe scenarios differ: these figures do not compare.")?;
    }
    let Some(page) = page else { return Ok(()) };
    let text = html_of(&names, (&run_a, &run_b), &rows);
    fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let run: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not the JSON of a run", path.display()))?;
    if run.pointer("/visitors/from_intended").is_none() {
        bail!("{} is not a report that `run --json` wrote", path.display());
    }
    Ok(run)
}

fn scenario(run: &Value) -> String {
    let of = &run["options"]["scenario"];
    let phases = of["phases"].as_array().into_iter().flatten();
    let seconds: f64 = phases.filter_map(|phase| phase["seconds"].as_f64()).sum();
    let name = of["name"].as_str().unwrap_or("run");
    format!("{name}, {} lanes, {} s", of["lanes"].as_u64().unwrap_or(0), number(seconds))
}

fn rows(a: &Value, b: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: String, unit, place: &str, times: f64, less| {
        let of = |run: &Value| run.pointer(place).and_then(Value::as_f64).map(|v| v * times);
        if let Some((a, b)) = of(a).zip(of(b))
            && (a > 0.0 || b > 0.0)
        {
            rows.push(Row { name, unit, a, b, less });
        }
    };
    for (name, place) in html::ROWS {
        for (quantile, key) in
            [("p50", "p50_us"), ("p99", "p99_us"), ("p99.9", "p999_us"), ("longest", "max_us")]
        {
            add(format!("{name} {quantile}"), "ms", &format!("{place}/{key}"), 1e-3, true);
        }
    }
    add("measured ÷ echo p50".into(), "times", "/measured_to_echo/p50", 1.0, true);
    add("measured ÷ echo p99".into(), "times", "/measured_to_echo/p99", 1.0, true);
    add("answered".into(), "visitors", "/visitors/answered", 1.0, false);
    add("longest queue".into(), "visitors", "/queue_longest", 1.0, true);
    add("server, processor".into(), "s", "/server/cpu_s", 1.0, true);
    add("server, most memory".into(), "MiB", "/server/peak_mib", 1.0, true);
    add("commit, mean".into(), "ms", "/told/commit_s/mean", 1e3, true);
    add("broken expectations".into(), "", "/broken", 1.0, true);
    rows
}

fn html_of(names: &[String; 2], (a, b): (&Value, &Value), rows: &[Row]) -> String {
    let mut body = format!(
        "<h1>Two runs</h1><p class=\"about\">a: {} ({})<br>b: {} ({})</p>\
         <table><tr><th><th>a<th>b<th>b ÷ a<th></tr>",
        escaped(&names[0]),
        escaped(&scenario(a)),
        escaped(&names[1]),
        escaped(&scenario(b))
    );
    for row in rows {
        write!(
            body,
            "<tr><td>{}, {}<td>{}<td>{}<td>{:.2}<td>{}</tr>",
            row.name,
            row.unit,
            number(row.a),
            number(row.b),
            ratio(row.b, row.a),
            row.verdict()
        )
        .ok();
    }
    body.push_str("</table>");
    body.push_str(&html::by_percentile(&[("a", a), ("b", b)]));
    html::around("Two runs", &body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(p99_us: f64) -> Value {
        json!({
            "options": { "scenario": { "name": "x", "lanes": 4, "phases": [{ "seconds": 2 }] } },
            "visitors": { "answered": 100, "from_intended": { "p50_us": 800.0, "p99_us": p99_us } },
            "percentiles": [[50.0, 800.0], [99.0, p99_us]],
        })
    }

    #[test]
    fn what_became_worse_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("a.json"), run(4_000.0).to_string()).unwrap();
        fs::write(file("b.json"), run(8_000.0).to_string()).unwrap();
        let mut out = Vec::new();
        let page = file("c.html");
        compare((&file("a.json"), &file("b.json")), Some(&page), &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        let line = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("scan → decision p99,").contains("2.00 worse"), "{told}");
        assert!(line("scan → decision p50").ends_with("equal"), "{told}");
        assert!(fs::read_to_string(page).unwrap().contains("<polyline"));
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        fs::write(&file, "{}").unwrap();
        assert!(compare((&file, &file), None, &mut Vec::new()).is_err());
    }
}
