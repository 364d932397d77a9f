//! Reads a list of strings out of deny.toml, in the form that file is written in.

/// Every string in the array `key` of `[section]`: one or more a line, after the line with the opening bracket, up to a
/// line that is the closing one.
pub(super) fn strings(text: &str, section: &str, key: &str) -> Vec<String> {
    let header = format!("[{section}]");
    let opening = format!("{key} = [");
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .skip_while(|line| *line != opening)
        .skip(1)
        .take_while(|line| *line != "]")
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_its_own_section() {
        let text = "[a]\nallow = [\n    \"X\", # \"no\"\n    \"Y\", \"Z\",\n]\nother = [\n    \"W\",\n]\n[b]\nallow = [\n    \"V\",\n]\n";
        assert_eq!(strings(text, "a", "allow"), ["X", "Y", "Z"]);
        assert_eq!(strings(text, "b", "allow"), ["V"]);
        assert_eq!(strings(text, "c", "allow"), Vec::<String>::new());
    }
}
