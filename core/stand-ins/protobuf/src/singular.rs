/// A message within a message, or none: a box under the name that the published crate gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct SingularPtrField<T>(Option<Box<T>>);

impl<T> SingularPtrField<T> {
    /// With `value`.
    pub fn some(value: T) -> Self {
        Self(Some(Box::new(value)))
    }

    /// With nothing.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// What is there.
    pub fn as_ref(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// What is there, to be changed.
    pub fn as_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// What was there; nothing is left.
    pub fn take(&mut self) -> Option<T> {
        self.0.take().map(|value| *value)
    }
}

impl<T> Default for SingularPtrField<T> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T> From<Option<T>> for SingularPtrField<T> {
    fn from(value: Option<T>) -> Self {
        Self(value.map(Box::new))
    }
}
