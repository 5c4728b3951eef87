//! What a visitor shows at the scanner, and which way they go.

use shanmen_protocols::ids::Direction;

use crate::plan::Visit;

/// The code that a visitor presents.
pub fn code_of(visit: Visit, codes: &[String]) -> String {
    match visit {
        Visit::Enter(ticket)
        | Visit::Part(ticket, _)
        | Visit::Linger(ticket)
        | Visit::Race(ticket)
        | Visit::Leave(ticket)
        | Visit::Return(ticket)
        | Visit::Used(ticket) => codes[ticket].clone(),
        Visit::Unknown(n) => format!("NEVER-SOLD-{n:020}"),
        Visit::Forged(ticket) => forged(&codes[ticket]),
    }
}

/// The same code with one letter changed, in the midst of what is signed.
fn forged(code: &str) -> String {
    let at = code.len() / 2;
    let letter = if code[at..].starts_with('A') { "B" } else { "A" };
    format!("{}{letter}{}", &code[..at], &code[at + 1..])
}

/// Which way a visitor goes.
pub fn direction_of(visit: Visit) -> Direction {
    if matches!(visit, Visit::Leave(_)) { Direction::Out } else { Direction::In }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_code_differs_in_one_letter() {
        let code = "SM1ABCDEFGHIJKLMNOP";
        let changed = forged(code);
        assert_eq!(changed.len(), code.len());
        let differing = changed.bytes().zip(code.bytes()).filter(|(a, b)| a != b).count();
        assert_eq!(differing, 1);
    }
}
