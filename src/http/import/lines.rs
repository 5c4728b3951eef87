//! A stream of chunks cut into lines, each with its number. A line has a longest length; what is
//! longer is told and passed over.

/// The longest line, in bytes.
pub(super) const LINE_MAX_BYTES: usize = 64 * 1024;

/// One line without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1; empty lines count.
    pub(super) number: u64,
    /// Its text, or why it has none.
    pub(super) text: Result<String, &'static str>,
}

/// Cuts lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What has come and is not cut yet, from `at` on.
    held: Vec<u8>,
    at: usize,
    number: u64,
    /// The line under way is too long: it is dropped up to its end.
    overlong: bool,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(chunk);
    }

    /// The next whole line, if there is one.
    pub(super) fn next(&mut self) -> Option<Line> {
        let rest = &self.held[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            if rest.len() > LINE_MAX_BYTES {
                self.overlong = true;
                self.held.clear();
                self.at = 0;
            }
            return None;
        };
        let line = self.cut(length);
        self.at += length + 1;
        Some(line)
    }

    /// What is left when the stream ends without a line break.
    pub(super) fn last(mut self) -> Option<Line> {
        let length = self.held.len() - self.at;
        (length > 0 || self.overlong).then(|| self.cut(length))
    }

    fn cut(&mut self, length: usize) -> Line {
        self.number += 1;
        let bytes = &self.held[self.at..self.at + length];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let bom = if self.number == 1 { &b"\xef\xbb\xbf"[..] } else { b"" };
        let bytes = bytes.strip_prefix(bom).unwrap_or(bytes);
        let text = if std::mem::take(&mut self.overlong) || length > LINE_MAX_BYTES {
            Err("the line is longer than 64 KiB")
        } else {
            std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "the line is not UTF-8")
        };
        Line { number: self.number, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(u64, Result<String, &'static str>)> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for chunk in chunks {
            lines.push(chunk);
            while let Some(line) = lines.next() {
                all.push((line.number, line.text));
            }
        }
        all.extend(lines.last().map(|line| (line.number, line.text)));
        all
    }

    #[test]
    fn lines_are_cut_wherever_the_chunks_end() {
        let text = b"\xef\xbb\xbfone\r\n\ntwo\nthr\xc3\xa9e";
        let whole = cut(&[text]);
        let expected = ["one", "", "two", "thrée"].map(|line| Ok(line.to_owned()));
        assert_eq!(whole.iter().map(|line| line.1.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(whole[3].0, 4);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(cut(&bytes), whole);
    }

    #[test]
    fn an_overlong_line_costs_only_itself() {
        let long = vec![b'x'; LINE_MAX_BYTES / 2];
        let all = cut(&[b"a\n", &long, &long, &long, b"x\nb\n\xff\n"]);
        let texts: Vec<_> = all.iter().map(|line| line.1.as_deref()).collect();
        assert_eq!(texts[0], Ok("a"));
        assert!(texts[1].unwrap_err().contains("64 KiB"));
        assert_eq!(texts[2], Ok("b"));
        assert!(texts[3].unwrap_err().contains("UTF-8"));
        assert_eq!(all[3].0, 4);
    }
}
