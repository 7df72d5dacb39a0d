# find_package(folkmoot) gives folkmoot::folkmoot (the shared library) and folkmoot::static.
get_filename_component(_folkmoot_libdir "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
# lib, or lib/<architecture>.
foreach(_folkmoot_prefix "${_folkmoot_libdir}/.." "${_folkmoot_libdir}/../..")
  if(NOT _folkmoot_include AND EXISTS "${_folkmoot_prefix}/include/folkmoot.h")
    get_filename_component(_folkmoot_include "${_folkmoot_prefix}/include" ABSOLUTE)
  endif()
endforeach()
if(NOT _folkmoot_include)
  set(folkmoot_FOUND FALSE)
  set(folkmoot_NOT_FOUND_MESSAGE "folkmoot.h is in no include directory beside ${_folkmoot_libdir}")
  return()
endif()

if(NOT TARGET folkmoot::folkmoot)
  add_library(folkmoot::folkmoot SHARED IMPORTED)
  set_target_properties(folkmoot::folkmoot PROPERTIES
    IMPORTED_LOCATION "${_folkmoot_libdir}/libfolkmoot.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_folkmoot_include}")
  add_library(folkmoot::static STATIC IMPORTED)
  set_target_properties(folkmoot::static PROPERTIES
    IMPORTED_LOCATION "${_folkmoot_libdir}/libfolkmoot.a"
    INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl;c"
    INTERFACE_INCLUDE_DIRECTORIES "${_folkmoot_include}")
endif()
unset(_folkmoot_libdir)
unset(_folkmoot_include)
unset(_folkmoot_prefix)
