//! What may be told of a message that could not be read: its place and what was expected, never a
//! value, which may be a code or an ID number in the wrong field.

/// Takes the values out of what serde says of a fault.
///
/// `invalid type: integer `110105…`, expected a string at line 1 column 9` becomes
/// `invalid type: integer, expected a string at line 1 column 9`.
pub fn without_values(problem: &str) -> String {
    for (start, end) in [
        ("invalid type: ", ", expected"),
        ("invalid value: ", ", expected"),
        ("invalid length ", ", expected"),
        ("unknown variant ", ", expected"),
        ("unknown field ", ", expected"),
    ] {
        if let (Some(from), Some(to)) = (problem.find(start), problem.rfind(end))
            && from + start.len() <= to
        {
            let value = &problem[from + start.len()..to];
            // The kind of value is told before its quotes.
            let kind = value.split(['`', '"', ' ']).next().unwrap_or_default();
            let kind = if kind.chars().all(|c| c.is_ascii_alphabetic()) { kind } else { "" };
            let told = format!("{}{start}{kind}", &problem[..from]);
            return format!("{}{}", told.trim_end(), &problem[to..]);
        }
    }
    problem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_told_and_its_place_always() {
        for (problem, told) in [
            (
                "invalid type: integer `110105194912310021`, expected a string at line 1 column 9",
                "invalid type: integer, expected a string at line 1 column 9",
            ),
            (
                "invalid type: string \"SM1AAAA, expected B\", expected struct Credential",
                "invalid type: string, expected struct Credential",
            ),
            (
                "unknown variant `11010519491231002X`, expected `in` or `out` at line 2 column 3",
                "unknown variant, expected `in` or `out` at line 2 column 3",
            ),
            ("missing field `id` at line 1 column 2", "missing field `id` at line 1 column 2"),
            (
                "EOF while parsing a string at line 1 column 8",
                "EOF while parsing a string at line 1 column 8",
            ),
        ] {
            assert_eq!(without_values(problem), told);
        }
    }
}
