# Writes OUT, a header with the commit of the source tree, "" outside of git; only when it changed.
execute_process(COMMAND git describe --always --dirty --abbrev=12 --exclude "*"
                WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
set(text "#define MUAI_COMMIT \"${commit}\"\n")
if(EXISTS ${OUT})
    file(READ ${OUT} before)
endif()
if(NOT text STREQUAL "${before}")
    file(WRITE ${OUT} "${text}")
endif()
