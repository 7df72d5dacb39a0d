use std::ops::{Deref, DerefMut};

/// A list of messages: a vector under the name that the published crate gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatedField<T>(Vec<T>);

impl<T> RepeatedField<T> {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts `value` at the end.
    pub fn push(&mut self, value: T) {
        self.0.push(value);
    }

    /// The vector.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> Default for RepeatedField<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for RepeatedField<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for RepeatedField<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> From<Vec<T>> for RepeatedField<T> {
    fn from(values: Vec<T>) -> Self {
        Self(values)
    }
}

impl<T> From<RepeatedField<T>> for Vec<T> {
    fn from(values: RepeatedField<T>) -> Self {
        values.0
    }
}

impl<T> FromIterator<T> for RepeatedField<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<T> Extend<T> for RepeatedField<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

impl<T> IntoIterator for RepeatedField<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a RepeatedField<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut RepeatedField<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}
