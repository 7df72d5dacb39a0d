
/* What option structs are set to before you set what you want. */
#define FOLKMOOT_SESSION_OPTIONS_INIT { sizeof(folkmoot_session_options), 0, 0, 0, 0 }
#define FOLKMOOT_CREATE_OPTIONS_INIT { sizeof(folkmoot_create_options), NULL, 0, 0 }

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FOLKMOOT_H */
