/// A struct of public fields, each with its number in the protocol, by which its size is reckoned, and its accessors:
/// `copy(get, set)`, `held(get, set, mut, take)` for what is handed out by reference, and
/// `maybe(type, has, get, set, mut, take)` for a message that may be missing.
macro_rules! message {
    ($(#[$about:meta])* $name:ident { $($field:ident: $type:ty = $number:literal $kind:ident($($accessor:ident),+)),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[allow(missing_docs)]
        pub struct $name {
            $(pub $field: $type,)+
            /// Nothing; the published structs have such a field, so a literal has to end in the defaults with either.
            #[doc(hidden)]
            pub unknown_fields: protobuf::UnknownFields,
        }

        /// The accessors are named after their field.
        #[allow(missing_docs)]
        impl $name {
            pub fn new() -> Self {
                Self::default()
            }

            $(accessors!($kind, $field, $type, $($accessor),+);)+
        }

        impl protobuf::Message for $name {
            fn compute_size(&self) -> u32 {
                0 $(+ self.$field.size(value::number_size($number << 3)))+
            }

            fn write_to_bytes(&self) -> ProtobufResult<Vec<u8>> {
                let mut out = Vec::new();
                $(self.$field.write($number, &mut out)?;)+
                Ok(out)
            }

            fn merge_from_bytes(&mut self, mut bytes: &[u8]) -> ProtobufResult<()> {
                let mut merged = self.clone();
                while let Some((number, read)) = value::next(&mut bytes)? {
                    match number {
                        $($number => merged.$field.merge(read)?,)+
                        _ => {}
                    }
                }
                *self = merged;
                Ok(())
            }
        }
    };
}

macro_rules! accessors {
    (copy, $field:ident, $type:ty, $get:ident, $set:ident) => {
        pub fn $get(&self) -> $type {
            self.$field
        }

        pub fn $set(&mut self, value: $type) {
            self.$field = value;
        }
    };
    (held, $field:ident, $type:ty, $get:ident, $set:ident, $change:ident, $take:ident) => {
        pub fn $get(&self) -> &<$type as std::ops::Deref>::Target {
            &self.$field
        }

        pub fn $set(&mut self, value: $type) {
            self.$field = value;
        }

        pub fn $change(&mut self) -> &mut $type {
            &mut self.$field
        }

        pub fn $take(&mut self) -> $type {
            std::mem::take(&mut self.$field)
        }
    };
    (maybe, $field:ident, $held:ty, $type:ident, $has:ident, $get:ident, $set:ident, $change:ident, $take:ident) => {
        pub fn $has(&self) -> bool {
            self.$field.is_some()
        }

        pub fn $get(&self) -> &$type {
            static MISSING: std::sync::LazyLock<$type> = std::sync::LazyLock::new($type::default);
            self.$field.as_ref().unwrap_or(&MISSING)
        }

        pub fn $set(&mut self, value: $type) {
            self.$field = SingularPtrField::some(value);
        }

        pub fn $change(&mut self) -> &mut $type {
            if self.$field.is_none() {
                self.$field = SingularPtrField::some($type::default());
            }
            self.$field.as_mut().expect("just put there")
        }

        pub fn $take(&mut self) -> $type {
            self.$field.take().unwrap_or_default()
        }
    };
}

/// An enum whose variants have the numbers 0, 1, ... of the protocol; the first is the default.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $first:ident, $($variant:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum $name { #[default] $first, $($variant),+ }

        impl protobuf::ProtobufEnum for $name {
            fn value(&self) -> i32 {
                *self as i32
            }

            fn from_i32(value: i32) -> Option<Self> {
                Self::values().get(usize::try_from(value).ok()?).copied()
            }

            fn values() -> &'static [Self] {
                &[Self::$first, $(Self::$variant),+]
            }
        }
    };
}
